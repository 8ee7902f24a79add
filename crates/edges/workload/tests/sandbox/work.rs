//! What honest guests do.

use girrona_assembly::run::{End, Trap};
use girrona_workload::{Kind, Tree};

use crate::support::{TRIALS, bench, job, wasm};

#[test]
fn a_guest_gets_its_job_and_nothing_of_the_hosts() {
    let bench = bench();
    for name in TRIALS {
        let mut job = job(&bench.compile(wasm(name)), "main", &["echo", "a b", "ü"]);
        job.env = vec![("KEY".to_owned(), "value".to_owned())];
        job.stdin = "line\n".into();
        let finished = bench.run(job);
        let text = String::from_utf8(finished.stdout.to_vec()).unwrap();
        let expected = "args [\"main\", \"echo\", \"a b\", \"ü\"]\nenv [(\"KEY\", \"value\")]\nstdin \"line\\n\"\n";
        assert_eq!(text, expected, "{name}");
        assert_eq!(finished.stderr, "and this is standard error\n", "{name}");
        assert_eq!(finished.end, End::Exit(0), "{name}");
        assert!(finished.fuel > 1_000 && finished.memory >= 1 << 16, "{name} {finished:?}");
        assert!(std::env::var("PATH").is_ok(), "this test needs something to hide");
    }
}

#[test]
fn files_are_the_assemblys_and_what_is_written_comes_back() {
    let bench = bench();
    let input = [("data/text", "of the assembly"), ("b", "bb"), ("a", "a")];
    let input = Tree::from_files(input.map(|(path, text)| (path, text.into()))).unwrap();
    let mut texts = Vec::new();
    for name in TRIALS {
        let mut job = job(&bench.compile(wasm(name)), "main", &["files"]);
        job.input = input.clone();
        let finished = bench.run(job);
        assert_eq!(finished.end, End::Exit(0), "{name}: {finished:?}");
        let output: Vec<_> =
            finished.output.iter().map(|(path, file)| (&path[..], &file[..])).collect();
        assert_eq!(output, [("deep/er/b", &b"012+"[..])], "{name}");
        texts.push(String::from_utf8(finished.stdout.to_vec()).unwrap());
    }
    // In order, at the job's time; the assembly cannot be written to.
    let expected = "\
/app [\"\\\"a\\\" 1 1700000000000\", \"\\\"b\\\" 2 1700000000000\", \"\\\"data\\\" 0 1700000000000\"]
/out []
Ok(\"of the assembly\")
01234five9
[48, 49, 50, 43]
/app/data Some(IsADirectory)
/app/new Some(ReadOnlyFilesystem)
/app/data/text Some(ReadOnlyFilesystem)
/out/deep Some(IsADirectory)
/out/x/y Some(NotFound)
";
    assert_eq!(texts[0], expected);
    assert_eq!(texts[1], expected);
}

#[test]
fn ends_have_the_names_that_rules_give_them() {
    let bench = bench();
    for name in TRIALS {
        // The command line of components knows success and failure only.
        let code = if name == TRIALS[0] { 7 } else { 1 };
        assert_eq!(bench.trial(name, &["exit", "7"]).end, End::Exit(code), "{name}");
        assert_eq!(bench.trial(name, &["exit", "0"]).end, End::Exit(0), "{name}");
        let panicked = bench.trial(name, &["panic"]);
        assert_eq!(panicked.end, End::Trap(Trap::Unreachable), "{name}");
        assert!(String::from_utf8_lossy(&panicked.stderr).contains("as told"), "{name}");
        assert!(bench.trial(name, &["deep", "1000"]).stdout == "1000\n", "{name}");
    }
    let end = |body: &str| {
        bench.run_text(&format!("(module (memory (export \"memory\") 1) (table 1 funcref) (func (export \"_start\") {body}))")).end
    };
    let trap = End::Trap;
    assert_eq!(end("nop"), End::Exit(0));
    assert_eq!(end("(drop (i32.load (i32.const 65536)))"), trap(Trap::Memory));
    assert_eq!(end("(drop (table.get 0 (i32.const 1)))"), trap(Trap::Table));
    assert_eq!(end("(call_indirect (i32.const 0))"), trap(Trap::IndirectCall));
    assert_eq!(end("(drop (i32.div_s (i32.const 1) (i32.const 0)))"), trap(Trap::Division));
    assert_eq!(
        end("(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))"),
        trap(Trap::Overflow)
    );
    assert_eq!(end("(drop (i32.trunc_f64_s (f64.const nan)))"), trap(Trap::Conversion));
    assert_eq!(end("unreachable"), trap(Trap::Unreachable));
}

#[test]
fn an_entry_is_an_export_of_its_name_or_the_program() {
    let bench = bench();
    let library = bench.text(
        "(module
            (global $ready (mut i32) (i32.const 0))
            (func (export \"_initialize\") (global.set $ready (i32.const 40)))
            (func (export \"answer\") (result i32) (i32.add (global.get $ready) (i32.const 2)))
            (func (export \"needs\") (param i32)))",
    );
    assert_eq!(bench.run(job(&library, "answer", &[])).end, End::Exit(42));
    for absent in ["needs", "none", "_start"] {
        let finished = bench.run(job(&library, absent, &[]));
        assert_eq!(finished.end, End::Trap(Trap::Link), "{absent}");
        assert!(finished.detail.unwrap().contains(absent), "{absent}");
    }
    let component = bench.text(
        "(component
            (core module $m (func (export \"f\") (result i32) (i32.const 42)))
            (core instance $i (instantiate $m))
            (func (export \"answer\") (result s32) (canon lift (core func $i \"f\"))))",
    );
    assert_eq!(component.kind(), Kind::Component);
    assert_eq!(bench.run(job(&component, "answer", &[])).end, End::Exit(42));
    assert_eq!(bench.run(job(&component, "none", &[])).end, End::Trap(Trap::Link));
}

#[test]
fn what_imports_something_else_is_never_started() {
    let bench = bench();
    let stranger =
        bench.text("(module (import \"env\" \"host_exec\" (func)) (func (export \"_start\")))");
    assert!(stranger.missing().unwrap().contains("host_exec"));
    let finished = bench.run(job(&stranger, "main", &[]));
    assert_eq!((finished.end, finished.fuel), (End::Trap(Trap::Link), 0));
    let wrong = bench.text(
        "(module (import \"wasi_snapshot_preview1\" \"fd_write\" (func)) (func (export \"_start\")))",
    );
    assert!(wrong.missing().is_some());
}

#[test]
fn the_examples_do_what_they_say() {
    let bench = bench();
    for name in ["hello.wasm", "hello.component.wasm"] {
        assert!(
            bench.run(job(&bench.compile(wasm(name)), "hello", &[])).stdout == "Hello, world!\n"
        );
    }
    for name in ["words.wasm", "words.component.wasm"] {
        let mut counted = job(&bench.compile(wasm(name)), "words", &["text"]);
        counted.input = Tree::from_files([("text", "the cat and the hat".into())]).unwrap();
        let finished = bench.run(counted);
        assert_eq!(finished.stdout, "4 different words\n", "{name}");
        assert_eq!(finished.output["words.txt"], "2 the\n1 and\n1 cat\n1 hat\n", "{name}");
    }
    let primes = bench.run(job(&bench.compile(wasm("primes.wasm")), "primes", &["1000"]));
    assert_eq!(primes.stdout, "168 primes below 1000\n");
    let mut script = job(&bench.compile(wasm("js.wasm")), "js", &["/app/main.js", "3", "4"]);
    let source = "print('sum', args.map(Number).reduce((a, b) => a + b));
        writeFile('/out/upper', readInput().toUpperCase());
        const fib = n => n < 2 ? n : fib(n - 1) + fib(n - 2);
        print([5, 1, 4].toSorted().join(), fib(15), JSON.stringify({ now: Date.now() > 0 }));";
    script.input = Tree::from_files([("main.js", source.into())]).unwrap();
    script.stdin = "shout".into();
    let finished = bench.run(script);
    assert_eq!(finished.stdout, "sum 7\n1,4,5 610 {\"now\":true}\n", "{finished:?}");
    assert_eq!(finished.output["upper"], "SHOUT");
}
