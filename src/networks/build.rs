//! Link arguments do not propagate, so every package that links libtorch names where it lies.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if let Ok(libraries) = std::env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{libraries}");
    }
}
