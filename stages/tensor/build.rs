//! Link arguments do not propagate, so every package that links libtorch names where it lies.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=ACTIONFINDER_DIST");
    // A program that is given away has its libtorch beside it, and names no folder of the machine it was built on.
    if std::env::var_os("ACTIONFINDER_DIST").is_some() {
        println!("cargo:rustc-link-arg=-Wl,-rpath,$ORIGIN");
        return;
    }
    if let Ok(libraries) = std::env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{libraries}");
    }
}
