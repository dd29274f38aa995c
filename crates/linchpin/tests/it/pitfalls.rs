//! The classic mistakes of concurrent code: each as a small program that fails, the tool that tells, and the program
//! mended. The guide's chapter X3 tells their stories.

mod abba;
mod blocking;
mod forgotten_task;
mod herd;
mod lock_across_await;
mod lost_wakeup;
mod priority;
mod unbounded;
