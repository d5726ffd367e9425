;; Does what the conformance suite asks, in the plain ABI (docs/reference/wasm-abi.md).
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))

  (memory (export "memory") 2)
  ;; 0..255: numbers that WASI reads and writes; 256..: texts; 1024..: a line; 4096..: the environment
  (data (i32.const 256) "echo count raise exit hang sleep print flood big alloc read write env CONFORMANCE_INIT")
  (data (i32.const 384) "slept printed flooded allocated written no such verb out of memory goodbye\n told to fail")
  (data (i32.const 512) "this file can't be opened x")

  (global $heap (mut i32) (i32.const 65536))
  (global $counted (mut i32) (i32.const 0))

  ;; Makes sure that so many bytes above the heap's end can be used.
  (func $room (param $size i32) (result i32) (local $pages i32)
    (local.set $pages
      (i32.sub
        (i32.wrap_i64 (i64.shr_u (i64.add (i64.extend_i32_u (global.get $heap))
          (i64.add (i64.extend_i32_u (local.get $size)) (i64.const 65535))) (i64.const 16)))
        (memory.size)))
    (if (i32.gt_s (local.get $pages) (i32.const 0))
      (then (return (i32.ne (memory.grow (local.get $pages)) (i32.const -1)))))
    (i32.const 1))

  (func $alloc (export "devkit_alloc") (param $size i32) (result i32) (local $at i32)
    (if (i32.eqz (call $room (local.get $size))) (then (return (i32.const 0))))
    (local.set $at (global.get $heap))
    (global.set $heap (i32.and (i32.add (i32.add (local.get $at) (local.get $size)) (i32.const 15)) (i32.const -16)))
    (local.get $at))

  (func $pack (param $at i32) (param $size i32) (result i64)
    (i64.or (i64.shl (i64.extend_i32_u (local.get $at)) (i64.const 32)) (i64.extend_i32_u (local.get $size))))

  (func $error (param $at i32) (param $size i32) (result i64)
    (call $pack (local.get $at) (i32.or (local.get $size) (i32.const 0x80000000))))

  (func $same (param $a i32) (param $b i32) (param $size i32) (result i32)
    (loop $next
      (if (i32.eqz (local.get $size)) (then (return (i32.const 1))))
      (if (i32.ne (i32.load8_u (local.get $a)) (i32.load8_u (local.get $b))) (then (return (i32.const 0))))
      (local.set $a (i32.add (local.get $a) (i32.const 1)))
      (local.set $b (i32.add (local.get $b) (i32.const 1)))
      (local.set $size (i32.sub (local.get $size) (i32.const 1)))
      (br $next))
    (i32.const 0))

  (func $number (param $at i32) (param $size i32) (result i32) (local $value i32)
    (loop $next
      (if (local.get $size)
        (then
          (local.set $value (i32.add (i32.mul (local.get $value) (i32.const 10))
            (i32.sub (i32.load8_u (local.get $at)) (i32.const 48))))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (local.set $size (i32.sub (local.get $size) (i32.const 1)))
          (br $next))))
    (local.get $value))

  ;; Writes a number's digits before 1024 and returns them, packed.
  (func $digits (param $value i32) (result i64) (local $at i32)
    (local.set $at (i32.const 1024))
    (loop $next
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (i32.store8 (local.get $at) (i32.add (i32.const 48) (i32.rem_u (local.get $value) (i32.const 10))))
      (local.set $value (i32.div_u (local.get $value) (i32.const 10)))
      (br_if $next (local.get $value)))
    (call $pack (local.get $at) (i32.sub (i32.const 1024) (local.get $at))))

  (func $print (param $fd i32) (param $at i32) (param $size i32)
    (i32.store (i32.const 0) (local.get $at))
    (i32.store (i32.const 4) (local.get $size))
    (drop (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))))

  (func $line (param $fd i32) (param $at i32) (param $size i32)
    (memory.copy (i32.const 1024) (local.get $at) (local.get $size))
    (i32.store8 (i32.add (i32.const 1024) (local.get $size)) (i32.const 10))
    (call $print (local.get $fd) (i32.const 1024) (i32.add (local.get $size) (i32.const 1))))

  ;; Returns a variable's value, packed; nothing where it isn't set.
  (func $env (param $at i32) (param $size i32) (result i64) (local $each i32) (local $text i32) (local $end i32)
    (drop (call $environ_sizes_get (i32.const 0) (i32.const 4)))
    (drop (call $environ_get (i32.const 4096) (i32.const 8192)))
    (loop $next
      (if (i32.lt_u (local.get $each) (i32.load (i32.const 0)))
        (then
          (local.set $text (i32.load (i32.add (i32.const 4096) (i32.shl (local.get $each) (i32.const 2)))))
          (if (i32.and
                (call $same (local.get $text) (local.get $at) (local.get $size))
                (i32.eq (i32.load8_u (i32.add (local.get $text) (local.get $size))) (i32.const 61)))
            (then
              (local.set $text (i32.add (i32.add (local.get $text) (local.get $size)) (i32.const 1)))
              (local.set $end (local.get $text))
              (loop $more
                (if (i32.load8_u (local.get $end))
                  (then (local.set $end (i32.add (local.get $end) (i32.const 1))) (br $more))))
              (return (call $pack (local.get $text) (i32.sub (local.get $end) (local.get $text))))))
          (local.set $each (i32.add (local.get $each) (i32.const 1)))
          (br $next))))
    (i64.const 0))

  ;; Opens a path below the first folder that was granted; -1 where that fails.
  (func $open (param $at i32) (param $size i32) (param $flags i32) (param $rights i64) (result i32)
    (if (call $path_open (i32.const 3) (i32.const 0) (local.get $at) (local.get $size) (local.get $flags)
          (local.get $rights) (i64.const 0) (i32.const 0) (i32.const 0))
      (then (return (i32.const -1))))
    (i32.load (i32.const 0)))

  (func $read (param $at i32) (param $size i32) (result i64) (local $fd i32)
    (local.set $fd (call $open (local.get $at) (local.get $size) (i32.const 0) (i64.const 2)))
    (if (i32.lt_s (local.get $fd) (i32.const 0)) (then (return (call $error (i32.const 512) (i32.const 25)))))
    (i32.store (i32.const 0) (i32.const 16384))
    (i32.store (i32.const 4) (i32.const 32768))
    (drop (call $fd_read (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)))
    (drop (call $fd_close (local.get $fd)))
    (call $pack (i32.const 16384) (i32.load (i32.const 8))))

  (func $write (param $at i32) (param $size i32) (result i64) (local $fd i32)
    (local.set $fd (call $open (local.get $at) (local.get $size) (i32.const 9) (i64.const 64)))
    (if (i32.lt_s (local.get $fd) (i32.const 0)) (then (return (call $error (i32.const 512) (i32.const 25)))))
    (call $print (local.get $fd) (i32.const 538) (i32.const 1))
    (drop (call $fd_close (local.get $fd)))
    (call $pack (i32.const 416) (i32.const 7)))

  (func $sleep (param $milliseconds i32)
    (memory.fill (i32.const 0) (i32.const 0) (i32.const 96))
    (i32.store (i32.const 16) (i32.const 1))
    (i64.store (i32.const 24) (i64.mul (i64.extend_i32_u (local.get $milliseconds)) (i64.const 1000000)))
    (drop (call $poll_oneoff (i32.const 0) (i32.const 48) (i32.const 1) (i32.const 88))))

  (func $flood (param $size i32)
    (memory.fill (i32.const 16384) (i32.const 102) (i32.const 8192))
    (loop $next
      (if (i32.gt_s (local.get $size) (i32.const 0))
        (then
          (i32.store8 (i32.const 24575) (i32.const 10))
          (call $print (i32.const 1) (i32.const 16384) (i32.const 8192))
          (local.set $size (i32.sub (local.get $size) (i32.const 8192)))
          (br $next)))))

  (func $fill (param $size i32) (param $letter i32) (result i32)
    (if (i32.eqz (call $room (local.get $size))) (then (return (i32.const 0))))
    (memory.fill (global.get $heap) (local.get $letter) (local.get $size))
    (i32.const 1))

  (func (export "devkit_initialize") (result i64) (local $how i64) (local $at i32)
    (local.set $how (call $env (i32.const 326) (i32.const 16)))
    (local.set $at (i32.wrap_i64 (i64.shr_u (local.get $how) (i64.const 32))))
    (if (i64.eqz (local.get $how)) (then (return (i64.const 0))))
    (if (call $same (local.get $at) (i32.const 267) (i32.const 5))
      (then (return (call $error (i32.const 460) (i32.const 12)))))
    (loop $forever (br $forever))
    (i64.const 0))

  (func (export "devkit_shutdown") (call $print (i32.const 1) (i32.const 451) (i32.const 8)))

  (func $execute (export "devkit_execute") (param $at i32) (param $size i32) (result i64)
    (local $verb i32) (local $length i32)
    (local.set $verb (local.get $at))
    (block $found
      (loop $next
        (br_if $found (i32.eqz (local.get $size)))
        (br_if $found (i32.eq (i32.load8_u (local.get $at)) (i32.const 32)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (local.set $size (i32.sub (local.get $size) (i32.const 1)))
        (br $next)))
    (local.set $length (i32.sub (local.get $at) (local.get $verb)))
    (if (local.get $size)
      (then
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (local.set $size (i32.sub (local.get $size) (i32.const 1)))))
    (if (i32.eq (local.get $length) (i32.const 4)) (then
      (if (call $same (local.get $verb) (i32.const 256) (i32.const 4))
        (then (return (call $pack (local.get $at) (local.get $size)))))
      (if (call $same (local.get $verb) (i32.const 273) (i32.const 4)) (then (call $proc_exit (i32.const 3))))
      (if (call $same (local.get $verb) (i32.const 278) (i32.const 4)) (then (loop $forever (br $forever))))
      (if (call $same (local.get $verb) (i32.const 311) (i32.const 4))
        (then (return (call $read (local.get $at) (local.get $size)))))))
    (if (i32.eq (local.get $length) (i32.const 3)) (then
      (if (call $same (local.get $verb) (i32.const 301) (i32.const 3)) (then
        (local.set $size (call $number (local.get $at) (local.get $size)))
        (if (call $fill (local.get $size) (i32.const 120))
          (then (return (call $pack (global.get $heap) (local.get $size)))))
        (return (call $error (i32.const 435) (i32.const 13)))))
      (if (call $same (local.get $verb) (i32.const 322) (i32.const 3))
        (then (return (call $env (local.get $at) (local.get $size)))))))
    (if (i32.eq (local.get $length) (i32.const 5)) (then
      (if (call $same (local.get $verb) (i32.const 261) (i32.const 5)) (then
        (global.set $counted (i32.add (global.get $counted) (i32.const 1)))
        (return (call $digits (global.get $counted)))))
      (if (call $same (local.get $verb) (i32.const 267) (i32.const 5))
        (then (return (call $error (local.get $at) (local.get $size)))))
      (if (call $same (local.get $verb) (i32.const 283) (i32.const 5)) (then
        (call $sleep (call $number (local.get $at) (local.get $size)))
        (return (call $pack (i32.const 384) (i32.const 5)))))
      (if (call $same (local.get $verb) (i32.const 289) (i32.const 5)) (then
        (call $line (i32.const 1) (local.get $at) (local.get $size))
        (call $line (i32.const 2) (local.get $at) (local.get $size))
        (return (call $pack (i32.const 390) (i32.const 7)))))
      (if (call $same (local.get $verb) (i32.const 295) (i32.const 5)) (then
        (call $flood (call $number (local.get $at) (local.get $size)))
        (return (call $pack (i32.const 398) (i32.const 7)))))
      (if (call $same (local.get $verb) (i32.const 305) (i32.const 5)) (then
        (if (call $fill (i32.shl (call $number (local.get $at) (local.get $size)) (i32.const 20)) (i32.const 1))
          (then (return (call $pack (i32.const 406) (i32.const 9)))))
        (return (call $error (i32.const 435) (i32.const 13)))))
      (if (call $same (local.get $verb) (i32.const 316) (i32.const 5))
        (then (return (call $write (local.get $at) (local.get $size)))))))
    (call $error (i32.const 424) (i32.const 12))))
