//! The suite that every back end passes.

store::conformance_suite!(crate::bench::PostgresBench);
