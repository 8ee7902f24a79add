//! What may be compiled is compiled in time, however it was made.

use std::time::{Duration, Instant};

use girrona_engine::NotCompiled;
use girrona_types::wasm_costs::WasmConfig;
use girrona_vm::{Engine, Interpreter, instrument};

use super::{NATIVE, shapes, with_room};

/// The worker's patience, and room for a busy machine and code that was built for tests.
const ENOUGH: Duration = Duration::from_secs(20);

#[test]
fn hard_shapes_stay_interpreted_or_are_compiled_in_time() {
    with_room(|| {
        let mut refused = Vec::new();
        for bytes in [4_000, 15_000, 60_000] {
            for (name, shape) in shapes::all() {
                let wasm = shapes::module(shape, bytes);
                let module = instrument(&wasm, &WasmConfig::default()).unwrap();
                let reference = Interpreter.compile(module.clone()).unwrap();
                let began = Instant::now();
                match NATIVE.0.compile_beside(&module, &reference) {
                    Ok((_, code)) => {
                        let took = began.elapsed();
                        println!("{name} {bytes}: {took:?}, {code} bytes of code");
                        assert!(took < ENOUGH, "{name} {bytes}: {took:?}");
                    }
                    Err(NotCompiled::Shape) => refused.push((name, bytes)),
                    Err(other) => panic!("{name}: {other}"),
                }
            }
        }
        println!("refused: {refused:?}");
        let is_refused = |name| refused.contains(&(name, 60_000));
        assert!(is_refused("400 loops, 200 locals") && is_refused("branchy, 500 locals"));
        assert!(!is_refused("realistic") && !is_refused("tiny functions"));
    });
}
