//! Which instruction set serves the lookups of this process.

#![expect(unsafe_code, reason = "calls functions that need a feature of the processor")]

use super::form::{Family, Lookup, Work};
#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
use super::neon::{self, Neon};
use super::portable::{self, Portable};
#[cfg(target_arch = "x86_64")]
use super::{
    avx2::{self, Avx2},
    avx512::{self, Avx512},
    sse2::{self, Sse2},
};
use std::ffi::OsStr;
use std::fmt;
use std::sync::LazyLock;

/// An instruction set by which lookups are compiled. All give the same answers.
///
/// The process uses the last one of this list that its processor has, unless the environment
/// variable `GRAVEN_SIMD` names another one of them when the first table is opened: `portable`,
/// `neon`, `sse2`, `avx2`, `avx512`. A value that names none which the processor has is ignored;
/// [`in_use`](Self::in_use) tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InstructionSet {
    /// No vector instructions beyond those that the compiler finds by itself.
    Portable,
    /// NEON, which every 64-bit ARM has.
    Neon,
    /// SSE2, which every x86-64 has.
    Sse2,
    /// AVX2 with BMI1, BMI2, LZCNT and POPCNT: most x86-64 since 2013.
    Avx2,
    /// AVX-512 F, BW and VL as well.
    Avx512,
}

impl InstructionSet {
    /// The instruction set that lookups of this process use.
    ///
    /// ```
    /// println!("lookups by {}", graven::InstructionSet::in_use());
    /// ```
    #[must_use]
    pub fn in_use() -> Self {
        chosen().set()
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Neon => "neon",
            Self::Sse2 => "sse2",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }
}

/// The name as `GRAVEN_SIMD` has it.
impl fmt::Display for InstructionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A form that this processor has.
#[derive(Clone, Copy)]
pub(super) enum Available {
    Portable(Portable),
    #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
    Neon(Neon),
    #[cfg(target_arch = "x86_64")]
    Sse2(Sse2),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
}

impl Available {
    /// The forms that this processor has, the best one last.
    pub(super) fn all() -> impl DoubleEndedIterator<Item = Self> {
        let all = [
            Some(Self::Portable(Portable)),
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            Some(Self::Neon(Neon)),
            #[cfg(target_arch = "x86_64")]
            Some(Self::Sse2(Sse2)),
            #[cfg(target_arch = "x86_64")]
            Avx2::detect().map(Self::Avx2),
            #[cfg(target_arch = "x86_64")]
            Avx512::detect().map(Self::Avx512),
        ];
        all.into_iter().flatten()
    }

    /// Does work in this form.
    #[inline]
    pub(super) fn run<W: Work>(self, work: W) -> W::Output {
        match self {
            Self::Portable(simd) => work.run(simd),
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            Self::Neon(simd) => work.run(simd),
            #[cfg(target_arch = "x86_64")]
            Self::Sse2(simd) => work.run(simd),
            // SAFETY: the form is the proof that the processor has the instructions.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => unsafe { avx2::work(work) },
            // SAFETY: the form is the proof that the processor has the instructions.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => unsafe { avx512::work(work) },
        }
    }

    const fn set(self) -> InstructionSet {
        match self {
            Self::Portable(_) => InstructionSet::Portable,
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            Self::Neon(_) => InstructionSet::Neon,
            #[cfg(target_arch = "x86_64")]
            Self::Sse2(_) => InstructionSet::Sse2,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => InstructionSet::Avx2,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => InstructionSet::Avx512,
        }
    }

    /// The form that was asked for by name, else the best one.
    fn by_name(name: Option<&OsStr>) -> Self {
        let named = Self::all().find(|form| name.is_some_and(|name| name == form.set().name()));
        named.or_else(|| Self::all().next_back()).unwrap_or(Self::Portable(Portable))
    }
}

/// A lookup function in the form of this process.
pub(crate) struct Chosen<F: Family> {
    /// Invariant: this processor has the instructions of the function.
    function: for<'t, 'k> unsafe fn(&'t F::Table, &'k [u8]) -> F::Answer<'t>,
}

impl<F: Family> Chosen<F> {
    pub(crate) fn new<L: Lookup<F>>() -> Self {
        match chosen() {
            Available::Portable(_) => Self { function: portable::lookup::<F, L> },
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            Available::Neon(_) => Self { function: neon::lookup::<F, L> },
            #[cfg(target_arch = "x86_64")]
            Available::Sse2(_) => Self { function: sse2::lookup::<F, L> },
            #[cfg(target_arch = "x86_64")]
            Available::Avx2(_) => Self { function: avx2::lookup::<F, L> },
            #[cfg(target_arch = "x86_64")]
            Available::Avx512(_) => Self { function: avx512::lookup::<F, L> },
        }
    }

    #[inline(always)]
    pub(crate) fn call<'t>(&self, table: &'t F::Table, key: &[u8]) -> F::Answer<'t> {
        // SAFETY: invariant of `function`.
        unsafe { (self.function)(table, key) }
    }
}

/// Does work in the form of this process.
pub(crate) fn work<W: Work>(work: W) -> W::Output {
    chosen().run(work)
}

/// The form of this process.
#[inline]
fn chosen() -> Available {
    static CHOSEN: LazyLock<Available> =
        LazyLock::new(|| Available::by_name(std::env::var_os("GRAVEN_SIMD").as_deref()));
    *CHOSEN
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Guards against a form that is never chosen, and that no test runs.
    #[cfg(target_arch = "x86_64")]
    #[test]
    fn a_processor_with_the_instructions_has_the_form() {
        let has = |wanted: InstructionSet| Available::all().any(|form| form.set() == wanted);
        let bits = is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("bmi2");
        let counts = is_x86_feature_detected!("lzcnt") && is_x86_feature_detected!("popcnt");
        let avx2 = is_x86_feature_detected!("avx2") && bits && counts;
        let wide = is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512vl");
        let avx512 = is_x86_feature_detected!("avx512f") && wide && bits;
        assert_eq!(has(InstructionSet::Avx2), avx2);
        assert_eq!(has(InstructionSet::Avx512), avx512);
        assert!(has(InstructionSet::Sse2) && has(InstructionSet::Portable));
    }

    /// Guards against a form that is measured under the name of another one.
    #[test]
    fn a_name_chooses_its_form_and_any_other_the_best() {
        let best = Available::all().next_back().expect("at least one form").set();
        for form in Available::all() {
            let name = form.set().to_string();
            assert_eq!(Available::by_name(Some(OsStr::new(&name))).set(), form.set());
        }
        for name in [None, Some(""), Some("AVX2"), Some("avx2 "), Some("sse3")] {
            assert_eq!(Available::by_name(name.map(OsStr::new)).set(), best, "{name:?}");
        }
    }
}
