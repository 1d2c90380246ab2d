//! What other implementations send and expect, byte for byte.

mod interleaved;
mod old_clients;
