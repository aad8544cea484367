//! Every stored input through its target.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// Largest that the stored corpus may become.
const MAX_CORPUS_BYTES: usize = 2 * 1024 * 1024;

fn fuzz_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

/// The stored inputs of a target, by file.
fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = fuzz_folder().join("corpus").join(target);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
        .into_iter()
        .map(|file| {
            let input = fs::read(&file).unwrap();
            (file, input)
        })
        .collect()
}

#[test]
fn every_stored_input_holds() {
    let mut bytes = 0;
    for (name, target) in fuzzing::TARGETS {
        let inputs = corpus(name);
        assert!(inputs.len() >= 10, "{name} has {} inputs", inputs.len());
        for (file, input) in inputs {
            bytes += input.len();
            let held = std::panic::catch_unwind(|| target(&input));
            assert!(held.is_ok(), "{} breaks a property", file.display());
        }
    }
    assert!(bytes <= MAX_CORPUS_BYTES, "{bytes} bytes: minimise it");
}

#[test]
fn every_target_has_its_program_and_every_program_its_target() {
    let mut programs: Vec<String> = fs::read_dir(fuzz_folder().join("fuzz_targets"))
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            path.file_stem().unwrap().to_str().unwrap().to_owned()
        })
        .collect();
    programs.sort();
    let targets: Vec<_> = fuzzing::TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(programs, targets);
    let manifest = fs::read_to_string(fuzz_folder().join("Cargo.toml")).unwrap();
    for target in targets {
        assert!(
            manifest.contains(&format!("name = \"{target}\"")),
            "{target}"
        );
    }
}

/// Inputs made here, so that a target is also tried before anything is stored for it.
#[test]
fn targets_take_any_bytes() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for (_, target) in fuzzing::TARGETS {
        for length in 0..200 {
            let bytes: Vec<u8> = (0..length)
                .map(|_| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    state.to_le_bytes()[0]
                })
                .collect();
            target(&bytes);
        }
    }
}
