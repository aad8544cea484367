//! Seeds of the deterministic simulation, at the size of every test run.

mod seeds;
