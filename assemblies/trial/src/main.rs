//! Tries out what a sandbox is: the guest of the tests in `crates/edges/workload`. Its first argument
//! says what to try; what it says on standard output is all that it could find out.

use std::{
    collections::{HashMap, hash_map::RandomState},
    env, fs,
    hash::{BuildHasher as _, Hasher as _},
    hint::black_box,
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    net::TcpStream,
    process::ExitCode,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

fn main() -> ExitCode {
    let mut args = env::args().skip(1);
    let verb = args.next().unwrap_or_default();
    let argument = args.next().unwrap_or_default();
    match verb.as_str() {
        "echo" => echo(),
        "files" => files().expect("files are there"),
        "escape" => escape(),
        "chance" => chance(),
        "numbers" => numbers(),
        "sleep" => thread::sleep(Duration::from_secs(argument.parse().expect("seconds"))),
        "spin" => loop {
            black_box(0);
        },
        "flood" => loop {
            println!("{}", "flood".repeat(100));
        },
        "fill" => fill(argument.parse().expect("files")),
        "hoard" => hoard(),
        "deep" => println!("{}", deep(argument.parse().expect("depth"))),
        "connect" => connect(&argument),
        "exit" => return ExitCode::from(argument.parse::<u8>().expect("a code")),
        "panic" => panic!("as told"),
        other => {
            eprintln!("nothing to try: {other:?}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// What it was given.
fn echo() {
    println!("args {:?}", env::args().collect::<Vec<_>>());
    println!("env {:?}", env::vars().collect::<Vec<_>>());
    let mut text = String::new();
    io::stdin().read_to_string(&mut text).expect("input is text");
    println!("stdin {text:?}");
    eprintln!("and this is standard error");
}

/// What files can do.
fn files() -> io::Result<()> {
    for folder in ["/app", "/out"] {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let about = entry.metadata()?;
            let age = about.modified()?.duration_since(UNIX_EPOCH).map_or(0, |age| age.as_millis());
            names.push(format!("{:?} {} {age}", entry.file_name(), about.len()));
        }
        println!("{folder} {names:?}");
    }
    println!("{:?}", fs::read_to_string("/app/data/text"));
    fs::create_dir_all("/out/deep/er")?;
    let mut file = fs::File::options().create(true).write(true).read(true).open("/out/deep/a")?;
    file.write_all(b"0123456789")?;
    file.seek(SeekFrom::Start(5))?;
    file.write_all(b"five")?;
    file.rewind()?;
    let mut back = String::new();
    file.read_to_string(&mut back)?;
    println!("{back}");
    file.set_len(3)?;
    fs::File::options().append(true).open("/out/deep/a")?.write_all(b"+")?;
    fs::rename("/out/deep/a", "/out/deep/er/b")?;
    fs::write("/out/gone", "gone")?;
    fs::remove_file("/out/gone")?;
    fs::create_dir("/out/gone")?;
    fs::remove_dir("/out/gone")?;
    println!("{:?}", fs::read("/out/deep/er/b")?);
    for path in ["/app/data", "/app/new", "/app/data/text", "/out/deep", "/out/x/y"] {
        println!("{path} {:?}", fs::write(path, "x").err().map(|error| error.kind()));
    }
    Ok(())
}

/// Ways out.
fn escape() {
    let paths = [
        "/etc/passwd",
        "/",
        "..",
        ".",
        "../etc/passwd",
        "/app/../etc/passwd",
        "/app/../../etc/passwd",
        "/app/..",
        "/app/data/../../../etc/passwd",
        "/out/../../etc/passwd",
        "/proc/self/environ",
        "/dev/null",
        "/tmp",
        "//etc/passwd",
        "/app//../etc/passwd",
        "C:\\",
        "\\\\host\\share",
        "/out/a\0b",
    ];
    for path in paths {
        let read = fs::read(path).is_ok();
        let listed = path != "." && fs::read_dir(path).is_ok();
        let written = fs::write(path, "x").is_ok();
        if read || listed || written {
            println!("{path:?} is there: {read} {listed} {written}");
        }
    }
    println!("that was all");
}

/// What should be different every time.
fn chance() {
    let wall = || SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let (began, first) = (Instant::now(), wall());
    println!("{first:?}");
    let hash = RandomState::new().build_hasher().finish();
    println!("{hash:x}");
    let names: HashMap<u32, ()> = (0..20).map(|number| (number, ())).collect();
    println!("{:?}", names.keys().collect::<Vec<_>>());
    let address = Box::new(0_u8);
    println!("{:p} {:p}", &raw const *address, &raw const first);
    thread::sleep(Duration::from_secs(3_600));
    println!("{:?} {:?}", began.elapsed(), wall() - first);
    let mut spins = 0_u32;
    let since = Instant::now();
    while since.elapsed() < Duration::from_millis(5) {
        spins += 1;
    }
    println!("{spins}");
}

/// Floats that processors disagree on.
fn numbers() {
    let (zero, infinite) = (black_box(0.0_f64), black_box(f64::INFINITY));
    for nan in
        [zero / zero, infinite - infinite, infinite * zero, -(zero / zero), (-infinite).sqrt()]
    {
        println!("{:x}", nan.to_bits());
    }
    let (zero, one) = (black_box(0.0_f32), black_box(f32::from_bits(0x7fa0_0001)));
    for nan in [zero / zero, one + 1.0, one.max(zero)] {
        println!("{:x}", nan.to_bits());
    }
    println!("{} {}", (1e300_f64).sin(), black_box(2.5_f64).powf(3.7));
}

/// As many files as there may be.
fn fill(count: usize) {
    for number in 0..count {
        fs::write(format!("/out/{number}"), "some").expect("a file");
    }
    println!("{count} files");
}

/// As much memory as there may be.
fn hoard() {
    let mut all = Vec::new();
    loop {
        all.push(black_box(vec![1_u8; 1 << 20]));
    }
}

/// As deep as there may be.
fn deep(depth: u64) -> u64 {
    if black_box(depth) == 0 { 0 } else { 1 + deep(black_box(depth - 1)) }
}

/// Asks somebody for something.
fn connect(address: &str) {
    let asked = TcpStream::connect(address).and_then(|mut stream| {
        stream.write_all(b"hello\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    });
    println!("{:?}", asked.map_err(|error| error.kind()));
}
