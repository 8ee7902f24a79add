//! Compiled code against the interpreter, on programs that are about one thing each.

#[path = "../../../../rules/vm/tests/suite/host.rs"]
#[expect(dead_code, reason = "the host's own tests use all of it")]
mod host;
#[path = "../support/shapes.rs"]
mod shapes;

mod compile_time;
mod nested;
mod operations;
mod same;
mod tiers;

use std::sync::LazyLock;

use girrona_engine::{Native, spawn};
use girrona_types::wasm_costs::WasmConfig;
use girrona_vm::{Engine, Interpreter, Prepared, Trap, instrument};
use host::World;
use prometheus_client::metrics::counter::Counter;

/// The compiler, and what counts the runs of its code.
static NATIVE: LazyLock<(Native, Counter)> = LazyLock::new(|| {
    let runs = Counter::default();
    (Native::new(runs.clone()).unwrap(), runs)
});

/// What can be seen of a run: text, gas, world.
type Seen = (String, u64, World);

fn see(code: &Prepared, entry_point: &str, gas: u64) -> Seen {
    let mut world = World::new();
    let outcome = code.run(entry_point, &mut world, gas);
    let text = match outcome.result {
        Ok(value) => format!("{value:?}"),
        Err(trap) => {
            assert!(!matches!(trap, Trap::Storage(_)), "{trap}");
            trap.to_string()
        }
    };
    (text, outcome.gas_used, world)
}

/// Runs an entry point of `wasm` on both engines under `law` and returns what both did.
fn everywhere_under(law: &WasmConfig, wasm: &[u8], entry_point: &str, gas: u64) -> (String, u64) {
    let module = instrument(wasm, law).unwrap();
    let entry_point = entry_point.to_owned();
    let (text, used, _) = with_room(move || {
        let reference = Interpreter.compile(module.clone()).unwrap();
        let expected = see(&reference, &entry_point, gas);
        let (native, runs) = &*NATIVE;
        let (code, _) = native.compile_beside(&module, &reference).unwrap();
        let before = runs.get();
        assert_eq!(see(&code, &entry_point, gas), expected);
        assert!(runs.get() > before, "the compiled code did not run");
        expected
    });
    (text, used)
}

/// As [`everywhere_under`], from text, under the default law, from `call`.
fn everywhere(text: &str, gas: u64) -> (String, u64) {
    everywhere_under(&WasmConfig::default(), &wat::parse_str(text).unwrap(), "call", gas)
}

/// Does `work` where compiled code has room.
fn with_room<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let joined = spawn("test", work).unwrap().join();
    joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
