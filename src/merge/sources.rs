//! A tree of tables, which gives their entries in the order of keys.

use super::any_table::{AnyTable, intact, shared_prefix};
use super::batch::Batch;
use super::source::Source;
use super::walk::{Front, Walk};
use crate::error::{MergeError, ReadError};
use crate::format::order::equal;
use crate::read::{PackedTable, Table};
use std::hint::select_unpredictable;
use std::iter::successors;
use std::mem::swap;

/// Entries in a row of one table of many, after which more are expected.
const ROW: u64 = 4;

/// The entries of many tables, ascending. Of equal keys, the table with the lower number comes
/// first, and within a table the order stays.
#[derive(Clone)]
pub(super) struct Sources<'t, T: AnyTable> {
    /// The tables as they lie in their files, by their numbers.
    inputs: Vec<&'t Table>,
    /// The tables by their numbers. Entries stay in their place while the tables change theirs.
    tables: Vec<T::Walk<'t>>,
    /// The table with the smallest entry; none at the end.
    top: Option<usize>,
    /// A tree of losers: each node has the greater of the two smallest entries of its two halves. The
    /// children of node n are 2n and 2n + 1, those of the lowest nodes the tables. Node 0 is unused.
    losers: Vec<Player>,
    /// How many entries in a row were those of one table.
    row: u64,
    /// Entries that come before those of the sources. The sources do not know yet what was taken.
    batch: Batch<'t>,
    error: Option<(usize, ReadError)>,
}

/// A table in the tree, with the head of its next entry.
#[derive(Clone, Copy)]
struct Player {
    head: u64,
    table: usize,
}

/// The next entry, or an error.
type Next<'t, T> = Option<Result<Front<<T as AnyTable>::Bytes<'t>>, MergeError>>;

impl<'t, T: AnyTable> Sources<'t, T> {
    /// Plain tables, and others behind them.
    pub(super) fn new(plain: &[&'t Table], others: &[&'t T]) -> Self {
        let prefix = shared_prefix(plain, others);
        let stored = others.iter().map(|table| table.stored());
        let walks = plain.iter().map(|table| T::walk_plain(table, prefix));
        let mut sources = Self {
            inputs: plain.iter().copied().chain(stored).collect(),
            tables: walks.chain(others.iter().map(|table| table.walk(prefix))).collect(),
            top: None,
            losers: Vec::new(),
            row: 0,
            batch: Batch::EMPTY,
            error: None,
        };
        for table in 0..sources.tables.len() {
            sources.advance(table);
        }
        sources.play_all();
        sources
    }

    /// The next entry.
    #[inline(always)]
    pub(super) fn next(&mut self) -> Next<'t, T> {
        match self.batch.next() {
            Some(front) => {
                if self.batch.is_over() {
                    self.settle();
                }
                Some(Ok(front.into()))
            }
            None => self.step(),
        }
    }

    /// Hands entries to `f` that come next, and have keys of their own: as many as are at hand.
    #[inline(always)]
    pub(super) fn fold_batch<A>(&mut self, all: A, f: impl FnMut(A, Front<&'t [u8]>) -> A) -> A {
        if self.batch.is_over() {
            return all;
        }
        let all = self.batch.fold(all, f);
        self.settle();
        all
    }

    /// The next entry, behind the batch.
    #[inline(always)]
    fn step(&mut self) -> Next<'t, T> {
        if self.error.is_some() {
            return self.fail();
        }
        let Some(table) = self.top else { return self.end() };
        if self.may_plan(table)
            && let Some(front) = self.plan(table)
        {
            return Some(Ok(front.into()));
        }
        let (key, value) = match self.tables[table].take() {
            Ok(entry) => entry,
            Err(source) => {
                self.error = Some((table, source));
                return self.fail();
            }
        };
        self.advance(table);
        self.play(table);
        self.row = if self.top == Some(table) { self.row + 1 } else { 0 };
        Some(Ok(Front { key, value, table }))
    }

    /// Whether a batch is likely. The search for one among many tables costs more than an entry.
    #[inline(always)]
    fn may_plan(&self, top: usize) -> bool {
        self.tables[top].plain().and_then(Source::run).is_some()
            && (self.tables.len() <= 2 || self.row >= ROW)
    }

    /// Takes a new batch, and its first entry.
    #[inline(never)]
    fn plan(&mut self, top: usize) -> Option<Front<&'t [u8]>> {
        let second = self.second(top).map(|table| (table, &self.tables[table]));
        self.batch.fill((top, &self.tables[top]), second, self.tables.len() == 2);
        let front = self.batch.next()?;
        if self.batch.is_over() {
            self.settle();
        }
        Some(front)
    }

    /// Moves the sources to where the batch has come.
    #[inline(never)]
    fn settle(&mut self) {
        let [(first, taken), (second, others_taken)] = self.batch.settle();
        self.pass(first, taken);
        if first == second {
            return self.play(first);
        }
        self.pass(second, others_taken);
        self.play_all();
    }

    /// Moves a table behind so many bytes of records.
    fn pass(&mut self, table: usize, bytes: usize) {
        if bytes > 0
            && let Some(source) = self.tables[table].plain_mut()
        {
            source.skip_to_last(bytes);
            self.advance(table);
        }
    }

    /// The table of the next entry, if its key is that of `front`.
    #[inline(always)]
    pub(super) fn repeats(&self, front: &Front<T::Bytes<'t>>) -> Option<usize> {
        // The keys of a batch differ from each other and from those of all other tables.
        let next = self.top.filter(|_| self.batch.is_over() && self.error.is_none())?;
        let may_repeat = next != front.table || self.inputs[next].view().layout().repeated_keys;
        (may_repeat && equal(self.tables[next].key(), &front.key)).then_some(next)
    }

    /// Takes back the memory of an entry.
    #[inline(always)]
    pub(super) fn give_back(&mut self, front: Front<T::Bytes<'t>>) {
        self.tables[front.table].give_back((front.key, front.value));
    }

    /// An error if a page of a table was lost: then what was read of it may be zeros.
    pub(super) fn intact(&self) -> Result<(), MergeError> {
        intact(self.inputs.iter().copied())
    }

    /// Nothing; an error if a page of a table was lost while its entries were compared.
    #[cold]
    fn end(&mut self) -> Next<'t, T> {
        self.intact().err().map(Err)
    }

    /// The end, after the error of a table.
    #[cold]
    fn fail(&mut self) -> Next<'t, T> {
        let (table, source) = self.error.take()?;
        self.top = None;
        Some(Err(MergeError::Read { table, source }))
    }

    /// Moves a table to its next entry, or to its end.
    #[inline(always)]
    fn advance(&mut self, table: usize) {
        if let Err(error) = self.tables[table].advance() {
            self.error.get_or_insert((table, error));
        }
    }

    /// Whether the entry of one table comes before that of another. Tables that are over come last.
    #[inline(always)]
    fn is_before(&self, one: usize, other: usize) -> bool {
        let (a, b) = (&self.tables[one], &self.tables[other]);
        if a.is_over() != b.is_over() {
            return b.is_over();
        }
        a.key().cmp(b.key()).then(one.cmp(&other)).is_lt()
    }

    /// Finds the smallest entry after that of `table`, which was the smallest one, has changed.
    #[inline(always)]
    fn play(&mut self, table: usize) {
        let (mut winner, mut node) = (self.player(table), (table + self.losers.len()) / 2);
        while node > 0 {
            let player = self.losers[node];
            if player.head != winner.head {
                // A toss-up, so it is selected instead of branched on.
                let wins = player.head < winner.head;
                self.losers[node] = select_unpredictable(wins, winner, player);
                winner = select_unpredictable(wins, player, winner);
            } else if self.is_before(player.table, winner.table) {
                // Long keys wait for memory, so the next steps had better be foreseen.
                self.losers[node] = winner;
                winner = player;
            }
            node /= 2;
        }
        self.top = self.winner(winner);
    }

    /// Builds the tree.
    fn play_all(&mut self) {
        let tables = self.tables.len();
        // Stands where nobody has come yet: who comes first waits there for the second.
        let nobody = Player { head: 0, table: tables };
        self.losers.clear();
        self.losers.resize(tables, nobody);
        self.top = None;
        for table in 0..tables {
            let (mut winner, mut node) = (self.player(table), (table + tables) / 2);
            while node > 0 && self.losers[node].table < tables {
                if self.is_before(self.losers[node].table, winner.table) {
                    swap(&mut self.losers[node], &mut winner);
                }
                node /= 2;
            }
            match node {
                0 => self.top = self.winner(winner),
                _ => self.losers[node] = winner,
            }
        }
    }

    /// The table of the smallest entry but that of `top`, the smallest of all.
    fn second(&self, top: usize) -> Option<usize> {
        let path = successors(Some((top + self.losers.len()) / 2), |node| Some(node / 2));
        let losers = path.take_while(|&node| node > 0).map(|node| self.losers[node]);
        let second = losers.reduce(|a, b| match a.head == b.head {
            true if self.is_before(a.table, b.table) => a,
            false if a.head < b.head => a,
            _ => b,
        })?;
        self.winner(second)
    }

    #[inline(always)]
    fn player(&self, table: usize) -> Player {
        Player { head: self.tables[table].head(), table }
    }

    /// The table of a player who has won, unless it is over.
    #[inline(always)]
    fn winner(&self, player: Player) -> Option<usize> {
        Some(player.table).filter(|&table| !self.tables[table].is_over())
    }
}

impl Sources<'_, PackedTable> {
    /// Takes values of at most so many bytes.
    pub(super) fn limit_values(&mut self, most: u32) {
        self.tables.iter_mut().for_each(|table| table.limit_values(most));
    }
}
