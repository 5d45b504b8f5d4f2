#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| swarm_tests::fuzz_targets::tls_records(data));
