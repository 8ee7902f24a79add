//! Our metering against Casper's on random programs: same end, same gas, same limits.

use girrona_types::wasm_costs::WasmConfig;
use girrona_vm::{Interpreter, prepare, run};

use crate::host::World;
use crate::{casper, programs};

#[test]
fn random_programs_end_alike_and_cost_alike_under_both_meters() {
    let config = WasmConfig::default();
    let (mut well, mut dry, mut trapped, mut refused) = (0, 0, 0, 0);
    for seed in 0..1_500 {
        let text = programs::program(seed);
        let wasm = wat::parse_str(&text).unwrap_or_else(|error| panic!("{seed}: {error}\n{text}"));
        let code = prepare(&wasm, &config, &Interpreter)
            .unwrap_or_else(|error| panic!("{seed}: {error}\n{text}"));
        for limit in [700_000, 40_000_000] {
            let Some(there) = casper::run(&wasm, "call", &mut World::new(), limit) else {
                // Casper's limiter cannot follow some dead code and refuses it; we accept it.
                refused += 1;
                continue;
            };
            let here = run(&code, "call", &mut World::new(), limit);
            assert_eq!(
                (here.gas_used, format!("{:?}", here.result)),
                (there.gas_used, format!("{:?}", there.result)),
                "seed {seed}, limit {limit}\n{text}"
            );
            match here.result {
                Ok(_) => well += 1,
                Err(girrona_vm::Trap::OutOfGas) => dry += 1,
                Err(_) => trapped += 1,
            }
        }
    }
    // The comparison is worth something only if all kinds of ends were seen.
    assert!(well > 300 && dry > 100 && trapped > 100, "{well} {dry} {trapped} {refused}");
    assert!(refused < 300, "{well} {dry} {trapped} {refused}");
}
