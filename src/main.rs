//! Parses the command line and runs the pipeline.

fn main() {}
