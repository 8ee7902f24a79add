//! What a module may be. The first group is Casper 1.5's; the second is ours and keeps the time
//! that any engine needs to compile a module in proportion to its size.

/// Elements of the table, initial and maximum.
pub const TABLE_SIZE_MAX: u64 = 4_096;
/// Targets of one `br_table`, the default not counted.
pub const BR_TABLE_TARGETS_MAX: u32 = 256;
/// Globals that a module defines.
pub const GLOBALS_MAX: u32 = 256;
/// Parameters of one function type.
pub const PARAMETERS_MAX: usize = 256;

/// Bytes of a module.
pub const MODULE_BYTES_MAX: usize = 4 << 20;
/// Functions that a module defines or imports, each counted alone.
pub const FUNCTIONS_MAX: u32 = 10_000;
/// Bytes of one function body. Compilers that allocate registers need more than linear time in it.
pub const BODY_BYTES_MAX: usize = 64 << 10;
/// Bytes that the bodies of a module must have on average, once there are
/// [`BODIES_BYTES_FREE`] of them: ten thousand empty functions are a bomb, not a program.
pub const BODY_BYTES_AVERAGE_MIN: usize = 40;
/// Total bytes of bodies below which the average does not matter.
pub const BODIES_BYTES_FREE: usize = 1_000;
/// Locals of one function, parameters not counted. More than a whole stack could never be called.
pub const LOCALS_MAX: u32 = 500;
/// Blocks inside blocks. A `br_table` of 256 targets needs one block for each.
pub const NESTING_MAX: u32 = 512;
