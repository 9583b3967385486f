//! Bodies of the stages that run on libtorch, loaded by the worker process.

/// Version of the libtorch interface, as a first sign of life.
#[expect(unsafe_code, reason = "the program finds this by name with dlsym")]
#[unsafe(no_mangle)]
pub extern "C" fn actionfinder_worker_probe() -> i32 {
    i32::from(tch::Tensor::from_slice(&[1.0f64, 2.0]).sum(tch::Kind::Double).double_value(&[]) == 3.0)
}
