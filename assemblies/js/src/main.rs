//! Runs a script in JavaScript, whose path is the first argument, with QuickJS.
//!
//! A script has `args` (what follows its path), `env`, `print(...)`, `readInput()`, `readFile(path)`,
//! `writeFile(path, text)` and `exit(code)`. Modules are not there.

use std::{collections::HashMap, env, fs, io, process, process::ExitCode};

use rquickjs::{
    CatchResultExt as _, Coerced, Context, Ctx, Exception, Function, Result, Runtime, prelude::Rest,
};

fn main() -> ExitCode {
    let Some(path) = env::args().nth(1) else {
        eprintln!("which script?");
        return ExitCode::FAILURE;
    };
    match fs::read_to_string(&path) {
        Ok(source) => run(&source),
        Err(error) => {
            eprintln!("{path}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(source: &str) -> ExitCode {
    let context = Runtime::new().and_then(|runtime| Context::full(&runtime));
    let Ok(context) = context else { return ExitCode::FAILURE };
    context.with(|context| {
        let done = prepare(&context).and_then(|()| context.eval::<(), _>(source));
        // What was promised is done after the script, as in a browser.
        while context.execute_pending_job() {}
        match done.catch(&context) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        }
    })
}

fn prepare(context: &Ctx<'_>) -> Result<()> {
    let globals = context.globals();
    globals.set("args", env::args().skip(2).collect::<Vec<_>>())?;
    globals.set("env", env::vars().collect::<HashMap<_, _>>())?;
    globals.set(
        "print",
        Function::new(context.clone(), |words: Rest<Coerced<String>>| {
            let words: Vec<String> = words.0.into_iter().map(|word| word.0).collect();
            println!("{}", words.join(" "));
        })?,
    )?;
    globals.set(
        "readInput",
        Function::new(context.clone(), |context: Ctx<'_>| {
            told(&context, io::read_to_string(io::stdin()))
        })?,
    )?;
    globals.set(
        "readFile",
        Function::new(context.clone(), |context: Ctx<'_>, path: String| {
            told(&context, fs::read_to_string(path))
        })?,
    )?;
    globals.set(
        "writeFile",
        Function::new(context.clone(), |context: Ctx<'_>, path: String, text: String| {
            told(&context, fs::write(path, text))
        })?,
    )?;
    globals.set("exit", Function::new(context.clone(), |code: i32| -> () { process::exit(code) })?)
}

/// An error as an exception.
fn told<T>(context: &Ctx<'_>, result: io::Result<T>) -> Result<T> {
    result.map_err(|error| Exception::throw_message(context, &error.to_string()))
}
