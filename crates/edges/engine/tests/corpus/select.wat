;; wasmi 2.0.0 gave 2 for the first select: see docs/decisions/010-tiers.md. What compiled code and
;; the interpreter make of it must stay the same.
(module
  (import "env" "casper_revert" (func $revert (param i32)))
  (memory 1)
  (func $pick (param $x i32) (param $spoilt i32) (result i32)
    (i32.store (i32.const 24) (i32.mul (local.get $spoilt) (i32.const 3)))
    (i32.add
      (select (i32.const 1) (i32.const 2) (i32.eqz (local.get $x)))
      (select (i32.const 10) (i32.const 20) (i32.ne (local.get $x) (i32.const 0)))))
  (func (export "call")
    (call $revert (i32.add (call $pick (i32.const 0) (i32.const 77)) (i32.const 65536)))))
