//! The smallest assembly: says hello to whoever it is told to.

fn main() {
    let who = std::env::args().nth(1).unwrap_or_else(|| "world".to_owned());
    println!("Hello, {who}!");
}
