//! temporary
mod cli;
mod e2e;
mod listen;
mod process;
mod shutdown;
