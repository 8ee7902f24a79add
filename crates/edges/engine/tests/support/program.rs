//! Random programs with every instruction and every host function that a contract may use.
//!
//! Well typed by construction, so that each of them runs. Now and then they write the hash of their
//! whole memory into the host's world, where two engines can be compared.

use girrona_vm::abi::Function as Host;
use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, DataSection, ElementSection, Elements, EntityType,
    ExportKind, ExportSection, Function, FunctionSection, GlobalSection, GlobalType, ImportSection,
    Instruction as I, MemArg, MemorySection, MemoryType, Module, RefType, TableSection, TableType,
    TypeSection, ValType,
};

use crate::calls::{OUT_AT, blobs};
use crate::marks::Marks;

/// A source of small numbers.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn any(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, sides: u64) -> u64 {
        (self.any() >> 16) % sides
    }

    pub(crate) fn one_in(&mut self, sides: u64) -> bool {
        self.below(sides) == 0
    }

    pub(crate) fn of<T: Clone>(&mut self, list: &[T]) -> T {
        let at = self.below(list.len() as u64) as usize;
        list[at].clone()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ty {
    A,
    B,
}

impl Ty {
    pub(crate) fn val(self) -> ValType {
        match self {
            Self::A => ValType::I32,
            Self::B => ValType::I64,
        }
    }
}

/// Types of the program's own functions.
pub(crate) const SIGNATURES: [(&[Ty], Option<Ty>); 5] = [
    (&[], None),
    (&[Ty::A], Some(Ty::A)),
    (&[Ty::B, Ty::A], Some(Ty::B)),
    (&[Ty::A, Ty::B], None),
    // More than any machine passes in registers.
    (&[Ty::A, Ty::B, Ty::B, Ty::A, Ty::A, Ty::B, Ty::A, Ty::B, Ty::B, Ty::A, Ty::A], Some(Ty::A)),
];
/// The type of each own function; the last is `call`.
pub(crate) const OWN: [u32; 7] = [1, 2, 3, 1, 4, 2, 0];
/// How many of them others may call.
pub(crate) const CALLED: i32 = OWN.len() as i32 - 1;
/// Where `call` is among them.
const MAIN: usize = OWN.len() - 1;
/// Imports of every program: the hash of the memory goes out through the first three, marks through
/// the fourth, and the last empties the host buffer.
pub(crate) const FIXED: [Host; 5] =
    [Host::Blake2b, Host::NewUref, Host::Ret, Host::GetSystemContract, Host::ReadHostBuffer];
/// Where the hash is put together: a value of type `ByteArray(32)`.
const HASH_AT: i32 = 0x600;

pub(crate) struct Writer {
    pub(crate) dice: Dice,
    pub(crate) out: Vec<I<'static>>,
    /// Labels around, innermost last: the type that a branch there takes.
    pub(crate) labels: Vec<Option<Ty>>,
    /// Which of them are loops.
    loops: Vec<usize>,
    pub(crate) locals: Vec<Ty>,
    pub(crate) imports: Vec<Host>,
    pub(crate) places: Vec<(i32, i32)>,
    result: Option<Ty>,
    /// Which own function this is.
    me: usize,
    pub(crate) budget: u32,
    marks: Option<&'static Marks>,
}

/// The program of a seed, with a mark before each instruction if there are `marks`.
pub(crate) fn program(seed: u64, marks: Option<&'static Marks>) -> Vec<u8> {
    let mut dice = Dice::new(seed);
    let imports = Writer::some_imports(&mut dice);
    let (data, places) = blobs();
    let own = |at: usize| SIGNATURES[OWN[at] as usize];

    let mut module = Module::new();
    let mut types = TypeSection::new();
    for (params, result) in SIGNATURES {
        types.ty().function(params.iter().map(|ty| ty.val()), result.map(Ty::val));
    }
    let mut imported = ImportSection::new();
    for (at, host) in imports.iter().enumerate() {
        let params = vec![ValType::I32; host.params() as usize];
        types.ty().function(params, host.returns().then_some(ValType::I32));
        let ty = EntityType::Function((SIGNATURES.len() + at) as u32);
        imported.import("env", host.name(), ty);
    }
    module.section(&types);
    module.section(&imported);
    let mut functions = FunctionSection::new();
    for ty in OWN {
        functions.function(ty);
    }
    module.section(&functions);
    let mut tables = TableSection::new();
    tables.table(TableType {
        element_type: RefType::FUNCREF,
        minimum: 8,
        maximum: Some(8),
        table64: false,
        shared: false,
    });
    module.section(&tables);
    let mut memories = MemorySection::new();
    let maximum = dice.one_in(2).then(|| 1 + dice.below(4));
    memories.memory(MemoryType {
        minimum: 1,
        maximum,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    module.section(&memories);
    let mut globals = GlobalSection::new();
    let ty = |val_type| GlobalType { val_type, mutable: true, shared: false };
    globals.global(ty(ValType::I32), &ConstExpr::i32_const(3));
    globals.global(ty(ValType::I64), &ConstExpr::i64_const(-7));
    module.section(&globals);
    let first = imports.len() as u32;
    let mut exports = ExportSection::new();
    exports.export("call", ExportKind::Func, first + OWN.len() as u32 - 1);
    module.section(&exports);
    let mut elements = ElementSection::new();
    let listed: Vec<u32> = (first..first + CALLED as u32).chain([4]).collect();
    // Rarely a segment that does not fit: instantiation fails.
    let at = if dice.one_in(60) { 3 } else { 0 };
    elements.active(None, &ConstExpr::i32_const(at), Elements::Functions(listed.into()));
    module.section(&elements);

    let mut code = CodeSection::new();
    for at in 0..OWN.len() {
        let (params, result) = own(at);
        let mut locals = params.to_vec();
        let extra = if dice.one_in(10) { 40 } else { 3 };
        let declared: Vec<Ty> = (0..extra).map(|_| dice.of(&[Ty::A, Ty::A, Ty::B])).collect();
        locals.extend(&declared);
        let mut writer = Writer {
            dice: Dice::new(dice.any()),
            out: Vec::new(),
            labels: vec![result],
            loops: Vec::new(),
            locals,
            imports: imports.clone(),
            places: places.clone(),
            result,
            me: at,
            budget: 90,
            marks,
        };
        if at == MAIN {
            writer.main();
        } else {
            writer.statements(5);
            if let Some(ty) = result {
                writer.value(ty, 3);
            }
        }
        let mut function = Function::new(declared.iter().map(|ty| (1, ty.val())));
        writer.put(I::End);
        for op in &writer.out {
            function.instruction(op);
        }
        code.function(&function);
    }
    module.section(&code);
    let mut segments = DataSection::new();
    segments.active(0, &ConstExpr::i32_const(0), data);
    if dice.one_in(60) {
        segments.active(0, &ConstExpr::i32_const(65_530), vec![1; 10]);
    }
    module.section(&segments);
    module.finish()
}

impl Writer {
    pub(crate) fn put(&mut self, op: I<'static>) {
        if let Some(marks) = self.marks {
            self.mark(marks.of(&op));
        }
        self.out.push(op);
    }

    pub(crate) fn mark_host(&mut self, function: Host) {
        if let Some(marks) = self.marks {
            self.mark(marks.of_host(function));
        }
    }

    /// Works at any place: takes nothing from the stack, leaves nothing, and the host says no.
    fn mark(&mut self, number: u32) {
        let zero = I::I32Const(0);
        let call = [I::I32Const(number as i32), zero.clone(), zero, I::Call(3), I::Drop];
        self.out.extend(call);
    }

    /// `call`: some of everything, then the hash as the result.
    fn main(&mut self) {
        self.hash();
        for _ in 0..3 {
            self.host();
            self.host();
            self.block(I::Block(BlockType::Empty), 4);
            self.hash();
        }
        for function in 0..CALLED as u32 {
            self.call(function);
            self.hash();
        }
        self.host();
        self.host();
        self.put(I::I32Const(HASH_AT));
        self.put(I::I32Const(41));
        self.put(I::Call(2));
    }

    /// Hashes the first page and tells the world.
    fn hash(&mut self) {
        let store = |offset: u64, align| MemArg { offset, align, memory_index: 0 };
        self.put(I::I32Const(HASH_AT));
        self.put(I::I32Const(32));
        self.put(I::I32Store(store(0, 2)));
        self.put(I::I32Const(HASH_AT));
        self.put(I::I32Const(15));
        self.put(I::I32Store8(store(36, 0)));
        self.put(I::I32Const(HASH_AT));
        self.put(I::I32Const(32));
        self.put(I::I32Store(store(37, 0)));
        for number in [0, 0x1_0000, HASH_AT + 4, 32] {
            self.put(I::I32Const(number));
        }
        self.put(I::Call(0));
        self.put(I::Drop);
        for number in [OUT_AT, HASH_AT, 41] {
            self.put(I::I32Const(number));
        }
        self.put(I::Call(1));
    }

    /// Calls an own function; its result is used up.
    pub(crate) fn call(&mut self, function: u32) {
        let (params, result) = SIGNATURES[OWN[function as usize] as usize];
        for ty in params {
            self.value(*ty, 2);
        }
        self.put(I::Call(self.imports.len() as u32 + function));
        if result.is_some() {
            self.put(I::Drop);
        }
    }

    pub(crate) fn statements(&mut self, depth: u32) -> bool {
        for _ in 0..=self.dice.below(5) {
            if !self.statement(depth) {
                // Sometimes code that nothing reaches, which is metered and compiled all the same.
                if self.dice.one_in(4) {
                    self.statement(depth.min(2));
                }
                return false;
            }
        }
        true
    }

    /// One statement; whether code after it can be reached.
    fn statement(&mut self, depth: u32) -> bool {
        if self.budget == 0 {
            return true;
        }
        self.budget -= 1;
        let kinds = if depth == 0 { 13 } else { 21 };
        match self.dice.below(kinds) {
            0..3 => {
                let local = self.dice.below(self.locals.len() as u64) as u32;
                self.value(self.locals[local as usize], 3);
                self.put(I::LocalSet(local));
            }
            3 | 4 => self.store(),
            5 => {
                let global = self.dice.below(2) as u32;
                self.value(if global == 0 { Ty::A } else { Ty::B }, 2);
                self.put(I::GlobalSet(global));
            }
            6 => {
                let ty = self.ty();
                self.value(ty, 3);
                self.put(I::Drop);
            }
            7 => self.put(I::Nop),
            8 if self.dice.one_in(3) => self.bulk(),
            8 | 9 => self.host(),
            10 if self.dice.one_in(3) => self.hash(),
            10 | 11 => {
                let label = self.label();
                if let Some(ty) = self.label_type(label) {
                    self.value(ty, 1);
                    self.value(Ty::A, 1);
                    self.put(I::BrIf(label));
                    self.put(I::Drop);
                } else {
                    self.value(Ty::A, 1);
                    self.put(I::BrIf(label));
                }
            }
            12 if self.dice.one_in(8) => {
                self.put(I::Unreachable);
                return false;
            }
            12 => {
                if let Some(function) = self.callee(&Vec::from_iter(0..CALLED)) {
                    self.call(function as u32);
                }
            }
            13..15 => self.block(I::Block(BlockType::Empty), depth),
            15 | 16 => self.counted_loop(depth),
            17 => {
                self.value(Ty::A, 2);
                self.put(I::If(BlockType::Empty));
                self.labels.push(None);
                self.statements(depth - 1);
                if self.dice.one_in(2) {
                    self.put(I::Else);
                    self.statements(depth - 1);
                }
                self.labels.pop();
                self.put(I::End);
            }
            18 => {
                let label = self.label();
                if let Some(ty) = self.label_type(label) {
                    self.value(ty, 2);
                }
                self.put(I::Br(label));
                return false;
            }
            19 => {
                self.br_table();
                return false;
            }
            _ if self.me != MAIN && self.dice.one_in(4) => {
                if let Some(ty) = self.result {
                    self.value(ty, 2);
                }
                self.put(I::Return);
                return false;
            }
            _ => self.block(I::Block(BlockType::Empty), depth),
        }
        true
    }

    fn block(&mut self, op: I<'static>, depth: u32) {
        self.put(op);
        self.labels.push(None);
        self.statements(depth - 1);
        self.labels.pop();
        self.put(I::End);
    }

    /// A loop that mostly ends by itself: a random expression decides.
    fn counted_loop(&mut self, depth: u32) {
        self.put(I::Loop(BlockType::Empty));
        self.loops.push(self.labels.len());
        self.labels.push(None);
        if self.statements(depth - 1) {
            // The i32 global counts up and lets a loop turn until its low bits are zero.
            self.put(I::GlobalGet(0));
            self.put(I::I32Const(1));
            self.put(I::I32Add);
            self.put(I::GlobalSet(0));
            self.put(I::GlobalGet(0));
            self.put(I::I32Const(7));
            self.put(I::I32And);
            self.put(I::BrIf(0));
        }
        self.loops.pop();
        self.labels.pop();
        self.put(I::End);
    }

    fn br_table(&mut self) {
        let default = self.label();
        let wanted = self.label_type(default);
        let left_out = u32::from(self.me == MAIN);
        let same: Vec<u32> = (0..self.labels.len() as u32 - left_out)
            .filter(|label| self.label_type(*label) == wanted)
            .collect();
        if let Some(ty) = wanted {
            self.value(ty, 1);
        }
        self.value(Ty::A, 2);
        let targets: Vec<u32> = (0..=self.dice.below(6)).map(|_| self.dice.of(&same)).collect();
        self.put(I::BrTable(targets.into(), default));
    }

    fn bulk(&mut self) {
        self.address();
        if self.dice.one_in(2) {
            self.address();
            self.length();
            self.put(I::MemoryCopy { src_mem: 0, dst_mem: 0 });
        } else {
            self.value(Ty::A, 1);
            self.length();
            self.put(I::MemoryFill(0));
        }
    }

    fn length(&mut self) {
        if self.dice.one_in(100) {
            self.value(Ty::A, 1);
        } else {
            let length = self.dice.below(600) as i32;
            self.put(I::I32Const(length));
        }
    }

    fn store(&mut self) {
        self.address();
        if self.dice.one_in(2) {
            self.value(Ty::A, 2);
            let arg = self.arg();
            let op = self.dice.of(&[I::I32Store(arg), I::I32Store8(arg), I::I32Store16(arg)]);
            self.put(op);
        } else {
            self.value(Ty::B, 2);
            let arg = self.arg();
            let op = self.dice.of(&[
                I::I64Store(arg),
                I::I64Store8(arg),
                I::I64Store16(arg),
                I::I64Store32(arg),
            ]);
            self.put(op);
        }
    }

    pub(crate) fn arg(&mut self) -> MemArg {
        let offset = match self.dice.below(500) {
            0 => u64::from(self.dice.any() as u32),
            1 => 65_536 - self.dice.below(9),
            _ => self.dice.below(64),
        };
        MemArg { offset, align: 0, memory_index: 0 }
    }

    /// An address, mostly in the page.
    pub(crate) fn address(&mut self) {
        if self.dice.one_in(60) {
            // Around the end of the memory, wherever it is now.
            let least = if self.dice.one_in(10) { 0 } else { 72 };
            let back = least + self.dice.below(20) as i32;
            self.put(I::MemorySize(0));
            self.put(I::I32Const(16));
            self.put(I::I32Shl);
            self.put(I::I32Const(back));
            self.put(I::I32Sub);
            return;
        }
        if self.dice.one_in(2) {
            let at = 0x800 + self.dice.below(0xE000) as i32;
            self.put(I::I32Const(at));
            return;
        }
        self.value(Ty::A, 1);
        if !self.dice.one_in(300) {
            // Behind what host functions read.
            self.put(I::I32Const(0x7fff));
            self.put(I::I32And);
            self.put(I::I32Const(0x800));
            self.put(I::I32Or);
        }
    }

    pub(crate) fn ty(&mut self) -> Ty {
        self.dice.of(&[Ty::A, Ty::B])
    }

    /// A label; `call` itself is not left, it has more to do.
    fn label(&mut self) -> u32 {
        let left_out = usize::from(self.me == MAIN);
        let mut labels: Vec<u32> = (0..(self.labels.len() - left_out) as u32).collect();
        if !self.dice.one_in(10) {
            // A branch to a loop mostly never ends.
            let is_loop =
                |label: &u32| self.loops.contains(&(self.labels.len() - 1 - *label as usize));
            let others: Vec<u32> = labels.iter().copied().filter(|label| !is_loop(label)).collect();
            labels = if others.is_empty() { labels } else { others };
        }
        self.dice.of(&labels)
    }

    /// One of `candidates`, rarely one that may lead back here.
    pub(crate) fn callee(&mut self, candidates: &[i32]) -> Option<i32> {
        let after: Vec<i32> = candidates
            .iter()
            .copied()
            .filter(|at| self.me == MAIN || *at as usize > self.me)
            .collect();
        if self.dice.one_in(20) {
            return Some(self.dice.of(candidates));
        }
        (!after.is_empty()).then(|| self.dice.of(&after))
    }

    fn label_type(&self, label: u32) -> Option<Ty> {
        self.labels[self.labels.len() - 1 - label as usize]
    }
}
