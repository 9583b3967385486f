//! Links the program to a fixed address. Its 295,000 pointers (polars, arrow) would otherwise be relocated at every
//! start, which takes half of what a run with nothing to do costs.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-link-arg-bins=-no-pie");
}
