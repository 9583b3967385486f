//! The stage kinds: parameters, ports, and bodies that need no libtorch.
