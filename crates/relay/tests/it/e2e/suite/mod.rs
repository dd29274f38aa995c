//! What every version of the client must be able to do. Inputs are built from JSON, since field types differ.

mod calls;
mod client;
mod crud;
mod errors;
mod manual;
mod messages;
mod operational;
mod pages;
mod secrets;
mod tasks;
mod wishes;
