//! Plays seeds and prints what they came to: `seeds FIRST COUNT JOBS`.

use girrona_sim::{Sabotage, Settings, run, run_many};

fn main() {
    let arguments: Vec<u64> =
        std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let first = arguments.first().copied().unwrap_or(0);
    let count = arguments.get(1).copied().unwrap_or(10);
    let jobs = arguments.get(2).copied().unwrap_or(1) as usize;
    let started = std::time::Instant::now();
    let settings = Settings::default();
    let totals = run_many(first..first + count, jobs, &settings, Sabotage::None, |report| {
        if let Some(violation) = &report.violation {
            println!("seed {}: {violation}", report.seed);
        }
        if count <= 20 {
            println!("seed {} trace {:016x} {:?}", report.seed, report.trace, started.elapsed());
        }
        if report.seed % 50 == 0 {
            let again = run(report.seed, &settings, Sabotage::None);
            if again != *report {
                println!("seed {} is not the same again", report.seed);
            }
        }
    });
    println!("{totals}");
    for (failure, count) in &totals.failures {
        println!("{count:6} {failure}");
    }
    println!("{:?} {:?}", started.elapsed(), totals.ills);
}
