//! What happens in a life, and how likely it is.
//!
//! Most acts are drawn one by one. Where only some acts in a row reach a state (a month that is settled, a window that
//! was left open), they are drawn as an episode, so that a few hundred lives meet it; whatever else happens comes
//! before, after and, as an episode may be cut short by shrinking, in the midst of it.

use std::fmt;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// Days that rows are dated within, back from yesterday.
pub const DAYS: u64 = 70;
/// Acts of a life at most.
const ACTS_MAX: usize = 14;
/// Days back that `settle_minutes`, a week at most, can leave open.
const OPEN_DAYS: u32 = 6;

/// What happens in a life, from a first load on or before it.
#[derive(Clone)]
pub struct Life {
    pub setting: Setting,
    pub acts: Vec<Act>,
}

impl fmt::Debug for Life {
    /// An act a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.setting)?;
        for act in &self.acts {
            write!(f, "\n  {act:?}")?;
        }
        Ok(())
    }
}

/// What a life is lived with.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    pub shape: Shape,
    /// Whether a reference table is beside the table.
    pub reference: bool,
    pub chunk_rows: u32,
    pub settle: Settle,
}

/// How the source's table is keyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// By its number, with an index on its date.
    Indexed,
    /// By its number alone.
    Bare,
    /// By date and number, with an index on the number: a row that moves has another key.
    Dated,
}

/// When windows close, and for how long they are compared.
#[derive(Debug, Clone, Copy)]
pub struct Settle {
    /// Days of `settle_minutes`.
    pub open: u32,
    pub days: SettleDays,
}

/// `settle_days`.
#[derive(Debug, Clone, Copy)]
pub enum SettleDays {
    Count(u64),
    /// So many that the month before the last, or the last, settles today: only a mark says whether it has.
    UpToToday(Month),
}

#[derive(Debug, Clone, Copy)]
pub enum Month {
    BeforeLast,
    Last,
}

/// Where a row is.
#[derive(Debug, Clone, Copy)]
pub enum When {
    /// So many days back from yesterday.
    Back(u64),
    /// Without a date; where the column must have one, on the first day of the calendar.
    Nowhere,
    /// On the calendar's last day, as one who knows no end writes it.
    Never,
}

/// What `sync` is told to do.
#[derive(Debug, Clone, Copy)]
pub enum Command {
    /// A run over all dates.
    Run,
    /// A run over the last month and this one.
    RunLate,
    /// A run over some days, which begin so many days back from yesterday.
    RunDays { back: u64, days: u64 },
    /// A month is forgotten, or all.
    Forget(Option<u64>),
    /// The state file is made anew.
    Rebuild,
    /// All that is verified is compared, with the source or without it, and what differs is loaded again.
    Reconcile { source: bool },
}

#[derive(Debug, Clone)]
pub enum Act {
    /// A command that ends.
    Do(Command),
    /// One that dies at a step, where it has so many.
    Die(Command, u32),
    Settle(Settle),
    /// Rows come to the source.
    Insert(Vec<When>),
    /// A row's value changes there.
    Change(Index),
    /// A row's date changes there.
    Move(Index, When),
    /// A row goes there.
    Delete(Index),
    /// The row with the last date goes there.
    DeleteLast,
    /// That row's date changes there.
    MoveLast(When),
    /// A row's date changes there, and another row of its chunk goes at the target.
    MoveAndTake(Index, When),
    /// A row goes at the target.
    TargetDelete(Index),
    /// A row's value changes at the target.
    TargetChange(Index),
    /// A row that the source has not comes to the target.
    TargetInsert(When),
    /// One comes in the place of a row that goes.
    TargetSwap(Index),
    /// All rows go at the target.
    Truncate,
    /// A chunk's rows go at the target, and its receipt.
    TakeBack(Index),
    /// A backup of the target: rows and proof.
    SaveTarget,
    /// It comes back, however old it is.
    RestoreTarget,
    /// The state file goes.
    LoseState,
    /// It is copied away.
    SaveState,
    /// The copy comes back, however old it is.
    RestoreState,
    Reference(ReferenceAct),
}

/// What happens to the reference table, where there is one.
#[derive(Debug, Clone)]
pub enum ReferenceAct {
    Insert,
    Change(Index),
    Delete(Index),
    TargetDelete(Index),
}

pub fn life() -> impl Strategy<Value = Life> {
    let acts = vec(
        prop_oneof![4 => act().prop_map(|act| vec![act]), 1 => episode()],
        1..8,
    );
    (setting(), acts).prop_map(|(setting, parts)| Life {
        setting,
        acts: parts.into_iter().flatten().take(ACTS_MAX).collect(),
    })
}

fn setting() -> impl Strategy<Value = Setting> {
    let shape = prop_oneof![3 => Just(Shape::Indexed), 2 => Just(Shape::Bare), 2 => Just(Shape::Dated)];
    let chunk_rows = prop_oneof![2 => Just(4_u32), 1 => Just(60_u32)];
    (shape, prop::bool::weighted(0.25), chunk_rows, settle()).prop_map(
        |(shape, reference, chunk_rows, settle)| Setting {
            shape,
            reference,
            chunk_rows,
            settle,
        },
    )
}

fn settle() -> impl Strategy<Value = Settle> {
    let open = prop_oneof![2 => Just(0), 1 => 0..=OPEN_DAYS];
    let days = prop_oneof![
        3 => Just(SettleDays::Count(35)),
        1 => Just(SettleDays::Count(3)),
        1 => Just(SettleDays::Count(100)),
        1 => month().prop_map(SettleDays::UpToToday),
    ];
    (open, days).prop_map(|(open, days)| Settle { open, days })
}

fn month() -> impl Strategy<Value = Month> + Clone {
    prop_oneof![Just(Month::BeforeLast), Just(Month::Last)]
}

fn when() -> impl Strategy<Value = When> {
    prop_oneof![16 => (0..DAYS).prop_map(When::Back), 3 => Just(When::Nowhere), 1 => Just(When::Never)]
}

fn run_days() -> impl Strategy<Value = Command> {
    // The last week is where a window may be left open.
    let recent = (1..14_u64, 1..10_u64);
    prop_oneof![3 => recent, 1 => (0..DAYS, 1..40_u64)].prop_map(|(back, days)| Command::RunDays {
        back,
        days: days.min(back + 1),
    })
}

/// Days of which the last are still open where a week is, and days that do not touch these.
fn open_days() -> impl Strategy<Value = (Command, Command)> {
    let backs = (u64::from(OPEN_DAYS) + 1..20, 1..u64::from(OPEN_DAYS));
    (backs, 1..OPEN_DAYS, any::<bool>()).prop_map(|((back, last), days, onward)| {
        let first = Command::RunDays {
            back,
            days: back - last + 1,
        };
        let days = u64::from(days);
        let then = if onward {
            Command::RunDays {
                back: last - 1,
                days: days.min(last),
            }
        } else {
            Command::RunDays {
                back: back + days,
                days,
            }
        };
        (first, then)
    })
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        5 => Just(Command::Run),
        1 => Just(Command::RunLate),
        2 => run_days(),
        1 => prop::option::weighted(0.8, 0..DAYS).prop_map(Command::Forget),
        1 => Just(Command::Rebuild),
        2 => any::<bool>().prop_map(|source| Command::Reconcile { source }),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let row = any::<Index>;
    let reference = prop_oneof![
        Just(ReferenceAct::Insert),
        row().prop_map(ReferenceAct::Change),
        row().prop_map(ReferenceAct::Delete),
        row().prop_map(ReferenceAct::TargetDelete),
    ];
    prop_oneof![
        8 => command().prop_map(Act::Do),
        6 => (command(), 1..130_u32).prop_map(|(command, step)| Act::Die(command, step)),
        1 => settle().prop_map(Act::Settle),
        2 => vec(when(), 1..6).prop_map(Act::Insert),
        1 => row().prop_map(Act::Change),
        2 => (row(), when()).prop_map(|(row, when)| Act::Move(row, when)),
        1 => row().prop_map(Act::Delete),
        1 => Just(Act::DeleteLast),
        1 => when().prop_map(Act::MoveLast),
        2 => (row(), when()).prop_map(|(row, when)| Act::MoveAndTake(row, when)),
        1 => row().prop_map(Act::TargetDelete),
        1 => row().prop_map(Act::TargetChange),
        1 => when().prop_map(Act::TargetInsert),
        1 => row().prop_map(Act::TargetSwap),
        1 => Just(Act::Truncate),
        1 => row().prop_map(Act::TakeBack),
        1 => Just(Act::SaveTarget),
        2 => Just(Act::RestoreTarget),
        1 => Just(Act::LoseState),
        1 => Just(Act::SaveState),
        1 => Just(Act::RestoreState),
        2 => reference.prop_map(Act::Reference),
    ]
}

/// Acts that only in a row come to something.
fn episode() -> impl Strategy<Value = Vec<Act>> {
    let run = || Act::Do(Command::Run);
    let set = |open, days| Act::Settle(Settle { open, days });
    let late = || vec(when(), 2..8).prop_map(Act::Insert);
    let wide = SettleDays::Count(100);
    prop_oneof![
        // A row moves away from what is loaded again.
        3 => (any::<Index>(), when(), command()).prop_map(move |(row, when, command)| vec![
            run(),
            Act::MoveAndTake(row, when),
            Act::Do(command)
        ]),
        // The end of an open window goes, or moves away.
        2 => prop_oneof![Just(Act::DeleteLast), when().prop_map(Act::MoveLast)]
            .prop_map(move |act| vec![run(), act, run()]),
        // A window that was open is asked for no more.
        1 => open_days().prop_map(move |(first, then)| vec![
            set(OPEN_DAYS, wide),
            Act::Do(first),
            set(0, wide),
            Act::Do(then)
        ]),
        // Rows are to be older than those that were read, and what was read is loaded again.
        2 => (any::<Index>(), when(), command(), command()).prop_map(move |(row, when, command, then)| vec![
            set(0, wide),
            run(),
            set(OPEN_DAYS, wide),
            Act::MoveAndTake(row, when),
            Act::Do(command),
            Act::Do(then)
        ]),
        // A month settles, and is to be compared for longer after all.
        1 => (month(), late()).prop_map(move |(month, late)| vec![
            run(),
            set(0, SettleDays::UpToToday(month)),
            run(),
            late,
            set(0, wide),
            run()
        ]),
        // A month settles, and then the target is what it was before its late rows came.
        1 => (month(), late()).prop_map(move |(month, late)| vec![
            set(0, wide),
            run(),
            Act::SaveTarget,
            late,
            run(),
            set(0, SettleDays::UpToToday(month)),
            run(),
            Act::RestoreTarget,
        ]),
    ]
}
