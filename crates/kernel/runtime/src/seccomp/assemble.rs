//! An assembler that writes programs from their end: every jump leads forward, so its distance is known at once.

use sys::seccomp::Instruction;

pub(super) const LOAD: u16 = 0x20;
pub(super) const JUMP: u16 = 0x05;
pub(super) const JUMP_EQUAL: u16 = 0x15;
pub(super) const JUMP_GREATER: u16 = 0x25;
pub(super) const JUMP_GREATER_EQUAL: u16 = 0x35;
pub(super) const JUMP_ANY_BIT: u16 = 0x45;
pub(super) const AND: u16 = 0x54;
pub(super) const RETURN: u16 = 0x06;

/// A conditional jump skips no more than this.
const FARTHEST: usize = 255;

/// A place in a program: how many instructions there are behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label(usize);

/// A program, last instruction first.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    reversed: Vec<Instruction>,
    /// Where each answer was written last.
    answers: Vec<(u32, Label)>,
}

impl Assembler {
    /// The program, which begins with what was written last.
    pub(super) fn finish(mut self) -> Vec<Instruction> {
        self.reversed.reverse();
        self.reversed
    }

    /// The end of the program with this answer: one that a jump reaches from here, if there is one.
    pub(super) fn answer(&mut self, value: u32) -> Label {
        // Room for what is written before the jump that is about to be.
        let is_near = |label: Label, len: usize| len - label.0 < FARTHEST - 8;
        let len = self.reversed.len();
        if let Some((_, label)) =
            self.answers.iter().find(|(known, label)| *known == value && is_near(*label, len))
        {
            return *label;
        }
        let label = self.push(RETURN, value);
        self.answers.retain(|(known, _)| *known != value);
        self.answers.push((value, label));
        label
    }

    /// A test that goes on at one of two places.
    pub(super) fn test(&mut self, code: u16, operand: u32, yes: Label, no: Label) -> Label {
        if yes == no {
            return yes;
        }
        // Bringing one nearer takes the other one instruction farther.
        let yes = self.within(yes, FARTHEST - 1);
        let no = self.within(no, FARTHEST);
        let skip = |label| u8::try_from(self.distance(label)).unwrap_or(u8::MAX);
        let (jump_true, jump_false) = (skip(yes), skip(no));
        self.reversed.push(Instruction { code, jump_true, jump_false, operand });
        Label(self.reversed.len() - 1)
    }

    /// Loads a word of `struct seccomp_data`, and goes on at `then`.
    pub(super) fn load(&mut self, offset: u32, then: Label) -> Label {
        self.before(then);
        self.push(LOAD, offset)
    }

    /// Clears bits of the word, and goes on at `then`.
    pub(super) fn mask(&mut self, mask: u32, then: Label) -> Label {
        self.before(then);
        self.push(AND, mask)
    }

    /// Makes sure that what is written next falls through to `then`.
    fn before(&mut self, then: Label) {
        if self.distance(then) > 0 {
            self.jump(then);
        }
    }

    /// The same place, or a step on the way to it, at most so many instructions from here.
    fn within(&mut self, label: Label, farthest: usize) -> Label {
        if self.distance(label) > farthest { self.jump(label) } else { label }
    }

    fn jump(&mut self, to: Label) -> Label {
        match self.reversed.get(to.0) {
            Some(Instruction { code: RETURN, operand, .. }) => {
                let value = *operand;
                self.push(RETURN, value)
            }
            _ => self.push(JUMP, u32::try_from(self.distance(to)).unwrap_or(u32::MAX)),
        }
    }

    /// How many instructions the next one would have to skip.
    fn distance(&self, label: Label) -> usize {
        self.reversed.len() - label.0 - 1
    }

    fn push(&mut self, code: u16, operand: u32) -> Label {
        self.reversed.push(Instruction { code, jump_true: 0, jump_false: 0, operand });
        Label(self.reversed.len() - 1)
    }
}
