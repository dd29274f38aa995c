//! Where services of this kind are known to be weak: a file for each such point, by its number, and what belongs to none.

mod breakers;
mod ends;
mod fence;
mod unreadable;
mod w02;
mod w03;
mod w04;
mod w05;
mod w08;
mod w11;
mod w12;
mod w13;
mod w14;
mod w15;
