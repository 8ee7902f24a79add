//! The same program interpreted and compiled: the same outcome, the same gas, the same memory, the
//! same calls of the host, to the last one.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::sync::LazyLock;

use casper_types::CLValue;
use girrona_engine::Native;
use girrona_types::wasm_costs::WasmConfig;
use girrona_vm::{Engine, Instrumented, Interpreter, Prepared, Trap, instrument};
use prometheus_client::metrics::counter::Counter;

use crate::calls::NUMBER;
use crate::host::World;
use crate::marks::{Hits, Marks};
use crate::program::{Dice, program};
use crate::programs;

/// Some thousands of turns of a loop.
pub(crate) const GAS: u64 = 200_000_000;
/// One program of so many is run once more with marks in it.
const MARKED: u64 = 8;

static MARKS: LazyLock<Marks> = LazyLock::new(Marks::new);

/// A program to try, by what makes it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) family: Family,
    pub(crate) seed: u64,
    pub(crate) gas: u64,
}

/// Where programs come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    /// Every instruction and every host function.
    Every,
    /// Full of control flow.
    Flow,
    /// Real contracts with some bytes changed.
    Changed,
}

impl Case {
    /// The case of a number.
    pub(crate) fn of(number: u64) -> Self {
        let mut dice = Dice::new(number);
        let family = match dice.below(10) {
            0..7 => Family::Every,
            7..9 => Family::Flow,
            _ => Family::Changed,
        };
        let gas = match (family, dice.below(4)) {
            (Family::Changed, _) => 2_000_000_000,
            (_, 0) => dice.below(GAS / 10),
            _ => GAS,
        };
        Self { family, seed: dice.any(), gas }
    }

    fn wasm(self, marks: Option<&'static Marks>) -> Vec<u8> {
        match self.family {
            Family::Every => program(self.seed, marks),
            Family::Flow => wat::parse_str(programs::program(self.seed)).unwrap(),
            Family::Changed => changed(self.seed),
        }
    }
}

/// As in a corpus: family, seed, gas.
impl Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = format!("{:?}", self.family).to_lowercase();
        write!(f, "{family} {} {}", self.seed, self.gas)
    }
}

impl std::str::FromStr for Case {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let mut words = line.split_whitespace();
        let family = match words.next() {
            Some("every") => Family::Every,
            Some("flow") => Family::Flow,
            Some("changed") => Family::Changed,
            other => return Err(format!("no family: {other:?}")),
        };
        let mut number = || words.next().and_then(|word| word.parse().ok()).ok_or("no number");
        Ok(Self { family, seed: number()?, gas: number()? })
    }
}

/// A contract of ours, with one to four bytes changed.
fn changed(seed: u64) -> Vec<u8> {
    static CONTRACTS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../contracts/wasm");
        let read = |name| std::fs::read(format!("{folder}/{name}.wasm")).unwrap();
        ["counter", "hello", "revert"].map(read).into()
    });
    let mut dice = Dice::new(seed);
    let mut wasm = dice.of(CONTRACTS.as_slice());
    for _ in 0..=dice.below(4) {
        let at = dice.below(wasm.len() as u64) as usize;
        wasm[at] = dice.any() as u8;
    }
    wasm
}

/// What can be seen of a run.
#[derive(Debug, PartialEq)]
struct Seen {
    ending: String,
    gas_used: u64,
    world: World,
}

/// What was tried and met so far.
pub(crate) struct Fuzzer {
    native: Native,
    runs: Counter,
    law: WasmConfig,
    pub(crate) programs: BTreeMap<Family, u64>,
    pub(crate) refused: u64,
    endings: BTreeMap<String, u64>,
    asked: BTreeMap<&'static str, u64>,
    marked: u64,
    pub(crate) hits: Hits,
}

impl Fuzzer {
    pub(crate) fn new() -> Self {
        let runs = Counter::default();
        let mut law = WasmConfig::default();
        // Cheap calls of the host, however much they hash, or few programs would get far.
        for price in law.host_function_costs.values_mut() {
            price.cost = price.cost.min(50_000);
        }
        law.host_function_costs.get_mut("blake2b").unwrap().arguments.clear();
        Self {
            native: Native::new(runs.clone()).unwrap(),
            runs,
            law,
            programs: BTreeMap::new(),
            refused: 0,
            endings: BTreeMap::new(),
            asked: BTreeMap::new(),
            marked: 0,
            hits: Hits::none(),
        }
    }

    /// Runs a case on both engines; now and then once more with marks.
    ///
    /// # Errors
    /// How they differ.
    pub(crate) fn run(&mut self, case: Case) -> Result<(), String> {
        *self.programs.entry(case.family).or_default() += 1;
        let wasm = case.wasm(None);
        self.compare(&wasm, case.gas).map_err(|text| format!("{case}: {text}"))?;
        if (case.seed >> 8).is_multiple_of(MARKED) {
            self.mark(case);
        }
        Ok(())
    }

    /// As [`Self::run`], with marks for certain.
    ///
    /// # Errors
    /// How they differ.
    pub(crate) fn run_marked(&mut self, case: Case) -> Result<(), String> {
        *self.programs.entry(case.family).or_default() += 1;
        self.compare(&case.wasm(None), case.gas).map_err(|text| format!("{case}: {text}"))?;
        self.mark(case);
        Ok(())
    }

    fn mark(&mut self, case: Case) {
        if case.family == Family::Every {
            self.marked += 1;
            let module = instrument(&case.wasm(Some(&MARKS)), &self.law).unwrap();
            let code = Interpreter.compile(module).unwrap();
            // What the marks cost comes on top.
            let seen = see(&code, case.gas.saturating_mul(40));
            MARKS.read(&seen.world, &mut self.hits);
        }
    }

    /// Runs a module on both engines.
    ///
    /// # Errors
    /// How they differ.
    pub(crate) fn compare(&mut self, wasm: &[u8], gas: u64) -> Result<(), String> {
        let Ok(module) = instrument(wasm, &self.law) else {
            self.refused += 1;
            return Ok(());
        };
        let seen = self.compare_instrumented(&module, gas)?;
        let ending = if seen.ending.starts_with("CLValue") { "a value" } else { &seen.ending };
        let short: String = ending.chars().take_while(|c| !"[{(0123456789".contains(*c)).collect();
        let short = if short.contains("trap: Code") { ending.to_owned() } else { short };
        *self.endings.entry(short).or_default() += 1;
        for name in &seen.world.asked {
            *self.asked.entry(name).or_default() += 1;
        }
        Ok(())
    }

    fn compare_instrumented(&self, module: &Instrumented, gas: u64) -> Result<Seen, String> {
        let reference = Interpreter.compile(module.clone()).map_err(|error| error.to_string())?;
        let expected = see(&reference, gas);
        let before = self.runs.get();
        let compiled = self.native.compile_beside(module, &reference);
        let (code, _) = compiled.map_err(|error| format!("not compiled: {error}"))?;
        // Twice: nothing of the first run may be left in the instance.
        for turn in ["", ", again"] {
            let seen = see(&code, gas);
            if seen != expected {
                return Err(format!("interpreted {expected:#?}\ncompiled{turn} {seen:#?}"));
            }
        }
        if self.runs.get() < before + 2 {
            return Err("the compiled code did not run".to_owned());
        }
        // Should two engines differ one day, this tells whether one of them differs from itself.
        match see(&reference, gas) == expected {
            true => Ok(expected),
            false => Err("the interpreter differs from itself".to_owned()),
        }
    }

    pub(crate) fn total(&self) -> u64 {
        self.programs.values().sum()
    }
}

fn see(code: &Prepared, gas: u64) -> Seen {
    let mut world = World::new().arg("player", "ana".to_owned()).arg("points", 5_u64);
    world.values.insert(NUMBER.addr(), CLValue::from_t(1_u64).unwrap());
    let outcome = code.run("call", &mut world, gas);
    let ending = match outcome.result {
        Ok(value) => format!("{value:?}"),
        Err(trap) => {
            assert!(!matches!(trap, Trap::Storage(_)), "the engine failed: {trap}");
            trap.to_string()
        }
    };
    Seen { ending, gas_used: outcome.gas_used, world }
}

/// The report.
impl Display for Fuzzer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list<K: Display>(
            f: &mut fmt::Formatter<'_>,
            what: &str,
            of: &BTreeMap<K, u64>,
        ) -> fmt::Result {
            let words: Vec<String> = of.iter().map(|(name, n)| format!("{name} {n}")).collect();
            writeln!(f, "{what} ({}): {}", words.len(), words.join(", "))
        }
        writeln!(
            f,
            "{} programs: {:?}; {} of them refused",
            self.total(),
            self.programs,
            self.refused
        )?;
        list(f, "endings", &self.endings)?;
        list(f, "asked of the host", &self.asked)?;
        let executed: u64 = self.hits.instructions.values().sum();
        writeln!(f, "in {} of them each instruction was counted, {executed} in all", self.marked)?;
        list(f, "instructions", &self.hits.instructions)?;
        list(f, "calls of host functions", &self.hits.functions)?;
        match self.hits.missing() {
            missing if missing.is_empty() => write!(f, "each was reached"),
            missing => write!(f, "never reached: {}", missing.join(", ")),
        }
    }
}
