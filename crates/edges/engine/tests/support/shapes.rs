//! Modules that are hard on a compiler, as far as the law lets them in.

#![allow(dead_code, reason = "each test file uses a part of it")]

use wasm_encoder::{
    BlockType, CodeSection, ExportKind, ExportSection, Function, FunctionSection, MemArg,
    MemorySection, MemoryType, Module, TypeSection, ValType,
};

/// What one function of the module looks like.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    /// What compilers of languages make: loads, stores, short branches, calls.
    Realistic,
    /// Sums over some locals, nothing else.
    Straight { locals: u32 },
    /// An `if` after the other, each of which changes locals.
    Branchy { locals: u32 },
    /// Loops inside loops, and branches to any of them.
    Loops { depth: u32, locals: u32 },
    /// Tables of branches.
    Tables { depth: u32, locals: u32 },
    /// As small as the law allows on average.
    Tiny,
    /// Nothing but calls.
    Calls,
}

/// The most bytes of one function, with some to spare.
const BODY_BYTES: usize = 60_000;

/// A module of about `bytes` bytes.
pub(crate) fn module(shape: Shape, bytes: usize) -> Vec<u8> {
    let mut dice = 12_345_u64;
    let mut below = move |sides: u32| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        u32::try_from((dice >> 16) % u64::from(sides)).unwrap()
    };
    let mut code = CodeSection::new();
    let (mut functions, mut written) = (0_u32, 0);
    while written < bytes && functions < 9_000 {
        let function = body(shape, (bytes - written).min(BODY_BYTES), functions, &mut below);
        written += function.byte_len() + 1;
        code.function(&function);
        functions += 1;
    }
    let mut entry = Function::new([]);
    entry.instructions().end();
    code.function(&entry);

    let mut module = Module::new();
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32, ValType::I32], [ValType::I32]);
    types.ty().function([], []);
    module.section(&types);
    let mut list = FunctionSection::new();
    for _ in 0..functions {
        list.function(0);
    }
    list.function(1);
    module.section(&list);
    let mut memory = MemorySection::new();
    memory.memory(MemoryType {
        minimum: 1,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    module.section(&memory);
    let mut exports = ExportSection::new();
    exports.export("call", ExportKind::Func, functions);
    module.section(&exports);
    module.section(&code);
    module.finish()
}

fn body(shape: Shape, bytes: usize, before: u32, below: &mut impl FnMut(u32) -> u32) -> Function {
    let mem = |offset: u32| MemArg { offset: u64::from(offset), align: 2, memory_index: 0 };
    let mut function;
    match shape {
        Shape::Realistic => {
            function = Function::new([(4, ValType::I32), (2, ValType::I64)]);
            let mut i = function.instructions();
            for _ in 0..20 {
                let (a, b) = (below(6), below(6));
                i.local_get(a).local_get(b).i32_add().local_tee(a).i32_const(0xffff).i32_and();
                i.i32_load(mem(below(1_000))).local_set(b).block(BlockType::Empty);
                i.local_get(a).local_get(b).i32_lt_u().br_if(0);
                i.local_get(b).i32_const(0xffff).i32_and().local_get(a).i32_store(mem(16));
                i.local_get(a).local_get(b);
                if before > 0 {
                    i.call(below(before));
                } else {
                    i.i32_mul();
                }
                i.local_set(a).end();
            }
        }
        Shape::Straight { locals } => {
            function = Function::new([(locals, ValType::I32)]);
            while function.byte_len() < bytes {
                let (a, b, c) = (below(locals), below(locals), below(locals));
                let mut i = function.instructions();
                i.local_get(a).local_get(b).i32_add().local_get(c).i32_xor().local_set(a);
            }
        }
        Shape::Branchy { locals } => {
            function = Function::new([(locals, ValType::I32)]);
            while function.byte_len() < bytes {
                let (a, b, c) = (below(locals), below(locals), below(locals));
                let mut i = function.instructions();
                i.local_get(a).if_(BlockType::Empty);
                i.local_get(b).i32_const(3).i32_mul().local_set(c);
                i.else_().local_get(c).local_set(b).end();
            }
        }
        Shape::Loops { depth, locals } => {
            function = Function::new([(locals, ValType::I32)]);
            for _ in 0..depth {
                function.instructions().loop_(BlockType::Empty);
            }
            while function.byte_len() + 2 * depth as usize + 16 < bytes {
                let (a, b) = (below(locals), below(locals));
                let mut i = function.instructions();
                i.local_get(a).local_get(b).i32_add().local_tee(a).br_if(below(depth));
                i.local_get(b).local_set(a);
            }
            for _ in 0..depth {
                function.instructions().end();
            }
        }
        Shape::Tables { depth, locals } => {
            function = Function::new([(locals, ValType::I32)]);
            for _ in 0..depth {
                function.instructions().block(BlockType::Empty);
            }
            while function.byte_len() + 600 < bytes {
                let targets: Vec<u32> = (0..256).map(|_| below(depth)).collect();
                let (a, b) = (below(locals), below(locals));
                let mut i = function.instructions();
                i.local_get(a).local_set(b).local_get(a).if_(BlockType::Empty);
                i.local_get(b).br_table(targets, 0).end();
            }
            for _ in 0..depth {
                function.instructions().end();
            }
        }
        Shape::Tiny => {
            function = Function::new([]);
            let mut i = function.instructions();
            for _ in 0..9 {
                i.local_get(0).local_get(1).i32_add().drop();
            }
        }
        Shape::Calls => {
            function = Function::new([]);
            while function.byte_len() < bytes {
                function.instructions().i32_const(1).i32_const(2).call(0).drop();
            }
        }
    }
    function.instructions().local_get(0).end();
    function
}

/// What we know to be hard, by name.
pub(crate) fn all() -> Vec<(&'static str, Shape)> {
    vec![
        ("realistic", Shape::Realistic),
        ("straight, 60 locals", Shape::Straight { locals: 60 }),
        ("straight, 500 locals", Shape::Straight { locals: 490 }),
        ("branchy, 30 locals", Shape::Branchy { locals: 30 }),
        ("branchy, 100 locals", Shape::Branchy { locals: 100 }),
        ("branchy, 500 locals", Shape::Branchy { locals: 490 }),
        ("8 loops, 30 locals", Shape::Loops { depth: 8, locals: 30 }),
        ("24 loops, 30 locals", Shape::Loops { depth: 24, locals: 30 }),
        ("24 loops, 100 locals", Shape::Loops { depth: 24, locals: 100 }),
        ("48 loops, 100 locals", Shape::Loops { depth: 48, locals: 100 }),
        ("400 loops, 200 locals", Shape::Loops { depth: 400, locals: 200 }),
        ("tables, 2 locals", Shape::Tables { depth: 200, locals: 2 }),
        ("tables, 100 locals", Shape::Tables { depth: 200, locals: 100 }),
        ("tiny functions", Shape::Tiny),
        ("calls", Shape::Calls),
    ]
}
