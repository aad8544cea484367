//! `campanile demo`.

use crate::program::{Home, Running};

#[test]
fn the_demonstration_ends_twenty_calls_and_ends_cleanly() {
    let home = Home::new();
    let temporary = home.file("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let mut command = home.command(&["demo", "--listen", "127.0.0.1:0", "--for-seconds", "55"]);
    let mut demo = Running::start(command.env("TMPDIR", &temporary));
    let mut told = String::new();
    while let Some(line) = demo.line() {
        told.push_str(&line);
        told.push('\n');
        if ended(&line).is_some_and(|ended| ended >= 20) {
            demo.signal("-INT");
        }
    }
    let (status, log) = demo.end();
    assert_eq!(status.code(), Some(0), "{told}{log}");
    assert!(
        told.contains("  token     cmp_") && told.contains("  address   http://127.0.0.1:"),
        "{told}"
    );
    assert!(
        told.lines()
            .any(|line| ended(line).is_some_and(|ended| ended >= 20)),
        "{told}{log}"
    );
    assert!(told.contains("demo over"), "{told}");
    assert_eq!(
        std::fs::read_dir(&temporary).unwrap().count(),
        0,
        "the temporary folder is gone"
    );
}

#[test]
fn a_folder_with_a_demonstration_is_not_overwritten() {
    let home = Home::new();
    std::fs::create_dir(home.file("kept")).unwrap();
    std::fs::write(home.file("kept/campanile.db"), "").unwrap();
    home.run(&["demo", "--keep", "kept"])
        .refused(1, &["kept", "another folder"]);
}

fn ended(line: &str) -> Option<u32> {
    let (_, rest) = line.split_once(" ended=")?;
    rest.split(' ').next()?.parse().ok()
}
