//! World 1: Linux. Threads, devices, sockets, privileges and the control plane around the pure core.

pub mod plan;
