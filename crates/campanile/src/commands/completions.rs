//! `campanile completions`.

use clap_complete::Shell;

use crate::{cli, output};

pub(crate) fn run(shell: Shell) {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut cli::command(), "campanile", &mut script);
    output::raw(&String::from_utf8_lossy(&script));
}
