//! The kernel side of the relay: one sk_skb verdict for every listener and mapping.
//!
//! The protocol is described in proxy/ARCHITECTURE.md; the maps in `maps.rs`.

#![no_std]
#![no_main]

mod maps;
mod stream_verdict;

// "Dual MIT/GPL": none of the helpers used is gpl_only, but kernels may ask.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
