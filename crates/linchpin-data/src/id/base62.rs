//! 20 bytes as 27 letters of base62, without a big-number type.
//!
//! The number is five 32-bit words. One pass over them divides by 62^5, which fits a word, and yields
//! five letters at once: 27 letters are two and five times five.

use std::str;

const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const NOT_A_LETTER: u8 = u8::MAX;
/// The value of each byte as a letter.
const VALUES: [u8; 256] = {
    let mut values = [NOT_A_LETTER; 256];
    let mut value = 0;
    while value < LETTERS.len() {
        values[LETTERS[value] as usize] = value as u8;
        value += 1;
    }
    values
};

const WIDTH: usize = 27;
const WORDS: usize = 5;
/// Letters that one pass handles.
const CHUNK: usize = 5;
const CHUNK_BASE: u64 = 62u64.pow(CHUNK as u32);

/// The 27 letters of 20 bytes, on the stack.
pub(super) struct Text([u8; WIDTH]);

impl Text {
    pub(super) fn encode(bytes: &[u8; 20]) -> Self {
        let mut words = [0u32; WORDS];
        for (word, four) in words.iter_mut().zip(bytes.chunks_exact(4)) {
            *word = u32::from_be_bytes([four[0], four[1], four[2], four[3]]);
        }
        let mut text = [b'0'; WIDTH];
        for letters in text.rchunks_mut(CHUNK) {
            let mut remainder = 0;
            for word in &mut words {
                let dividend = remainder << 32 | u64::from(*word);
                *word = (dividend / CHUNK_BASE) as u32;
                remainder = dividend % CHUNK_BASE;
            }
            for letter in letters.iter_mut().rev() {
                *letter = LETTERS[(remainder % 62) as usize];
                remainder /= 62;
            }
        }
        Self(text)
    }

    pub(super) fn as_str(&self) -> &str {
        str::from_utf8(&self.0).expect("every letter is ASCII")
    }
}

/// Reads 27 letters back; `None` for another length, another letter, or more than 20 bytes hold.
pub(super) fn decode(text: &str) -> Option<[u8; 20]> {
    let text: &[u8; WIDTH] = text.as_bytes().try_into().ok()?;
    let (first, rest) = text.split_at(WIDTH % CHUNK);
    let mut words = [0u32; WORDS];
    for letters in std::iter::once(first).chain(rest.chunks_exact(CHUNK)) {
        let mut carry = 0;
        for &letter in letters {
            let value = VALUES[usize::from(letter)];
            if value == NOT_A_LETTER {
                return None;
            }
            carry = carry * 62 + u64::from(value);
        }
        // The first chunk is shorter, but then the words are still zero.
        for word in words.iter_mut().rev() {
            carry += u64::from(*word) * CHUNK_BASE;
            *word = carry as u32;
            carry >>= 32;
        }
        if carry != 0 {
            return None;
        }
    }
    let mut bytes = [0; 20];
    for (four, word) in bytes.chunks_exact_mut(4).zip(words) {
        four.copy_from_slice(&word.to_be_bytes());
    }
    Some(bytes)
}
