//! The shadow table of a reference table: loaded like any other table, then put in the target's place.
//!
//! Its receipts have its own name. One transaction drops the old table, renames the new one and passes its
//! receipts on, so that a reader sees the old rows or the new ones, each with their own receipts. A copy
//! would lose a target's grants, triggers and foreign keys. A target with such objects is never swapped, and
//! its chunks are loaded in place.

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::failpoint;
use crate::model::plan::TablePlan;
use crate::model::row::Value;
use crate::model::table::{Column, Identifier, TableSchema, shortened};
use crate::model::width::{Fit, Kind, fit, kind, wider};
use crate::mssql::shape::{IndexKind, IndexShape, Shape, shape};
use crate::mssql::{LOCK_TIMEOUT_MS, Session, catalog};
use crate::target::create::column_sql;
use crate::target::lease;
use crate::target::lease::Lease;
use crate::target::receipt;
use crate::target::table::Target;

/// The mark before the number of a generation at the end of a constraint's name. Constraint names are unique
/// in a schema, so each generation needs its own.
const GENERATION: &str = "_g";

/// The time that the cutover waits for readers of the old table. New readers wait behind it.
const SWAP_LOCK_MS: u32 = 5_000;

/// An interrupted refresh is resumed for up to 24 hours. Then its first rows are too old to be called fresh.
const AGE_MAX_HOURS: i64 = 24;

/// The way a reference table's target is refreshed.
#[derive(Debug, Clone)]
pub enum RefreshStrategy {
    /// A shadow table is loaded and swapped in. Holds the existing target, if there is one.
    Swap(Option<Box<TargetShape>>),
    /// The target is loaded in place, chunk by chunk, because a copy would lack these objects of it.
    InPlace(TableSchema, Vec<String>),
}

/// A target, and the shape that a table in its place must have.
#[derive(Debug, Clone)]
pub struct TargetShape {
    /// The target as it is.
    pub schema: TableSchema,
    shape: Shape,
}

/// The subject of a cutover.
#[derive(Debug, Clone, Copy)]
pub struct Swap<'a> {
    /// The table's plan.
    pub plan: &'a TablePlan,
    /// The plan of the shadow table.
    pub shadow: &'a TablePlan,
    /// The target that the shadow table was made after.
    pub target_shape: Option<&'a TargetShape>,
    /// The right to write the target.
    pub lease: &'a Lease,
    /// The right to write the shadow table.
    pub shadow_lease: &'a Lease,
}

impl TargetShape {
    /// The target's column with a type that holds the values of the source's column as well.
    fn as_wide_as(&self, source: &Column, own: &Column) -> Column {
        let mut column = own.clone();
        if fit(source, own) == Fit::Every {
            return column;
        }
        // All rows are read anew, so that the source's type will do where no type holds both.
        let data_type = wider(source, own).unwrap_or(source.data_type);
        let keys = self.shape.indexes.iter().flat_map(|index| &index.columns);
        // No index takes a longer value, and the target's indexes are the reason for its shape.
        if data_type.is_key() || !keys.into_iter().any(|(name, _)| name.same_as(own.name.as_str())) {
            column.data_type = data_type;
            column.collation = own.collation.clone().or_else(|| source.collation.clone());
        }
        column
    }

    /// The parts of the target that a copy must have.
    fn looks(&self) -> (&[Column], &Shape) {
        (&self.schema.columns, &self.shape)
    }
}

/// Decides how a plan's target is refreshed, from the target's shape.
///
/// # Errors
/// Those of the session.
pub async fn strategy(session: &mut Session, plan: &TablePlan) -> Result<RefreshStrategy> {
    let Some(schema) = catalog::describe(session, &plan.target).await? else {
        return Ok(RefreshStrategy::Swap(None));
    };
    let mut shape = shape(session, &schema).await?;
    for column in &schema.columns {
        if plan.source.position(column.name.as_str()).is_none() {
            let mut refused = plan.source.refused.iter();
            let why = match refused.any(|refused| refused.name.same_as(column.name.as_str())) {
                true => "which is not copied",
                false => "which the source does not have",
            };
            shape.obstacles.push(format!("column {}, {why}", column.name));
        }
    }
    if shape.obstacles.is_empty() {
        Ok(RefreshStrategy::Swap(Some(Box::new(TargetShape {
            schema,
            shape,
        }))))
    } else {
        Ok(RefreshStrategy::InPlace(schema, shape.obstacles))
    }
}

/// The columns that are wider in the shadow table than in the target, as texts for an operator.
pub fn widened(plan: &TablePlan, target_shape: &TargetShape) -> Vec<String> {
    let own = |column: &Column| {
        let position = target_shape.schema.position(column.name.as_str())?;
        Some(&target_shape.schema.columns[position])
    };
    let copies = columns(plan, Some(target_shape));
    let texts = copies.iter().filter_map(|copy| {
        let own = own(copy).filter(|own| own.data_type != copy.data_type)?;
        Some(format!(
            "column {} of {} was {} and becomes {}, because the source's values need it",
            own.name, plan.target, own.data_type, copy.data_type
        ))
    });
    texts.collect()
}

/// The plan of loading a plan's shadow table.
///
/// # Errors
/// `Internal` when the name cannot be made.
pub fn plan(plan: &TablePlan) -> Result<TablePlan> {
    Ok(TablePlan {
        target: plan.target.shadow()?,
        is_shadow: true,
        ..plan.clone()
    })
}

/// Checks that no other table is loaded under the shadow table's name. `shadow` is the result of [`plan`].
///
/// # Errors
/// `Preflight` if one is; those of the session.
pub async fn refuse_other_table(session: &mut Session, plan: &TablePlan, shadow: &TablePlan) -> Result<()> {
    match receipt::plan(session, &shadow.target).await? {
        Some(beside) if !receipt::is_shadow_of(&beside.fingerprint, &plan.target) => Err(Error::new(
            ErrorKind::Preflight,
            format!(
                "Target table {} is loaded as a table of its own, and table {} is loaded under that name before it \
                 is swapped in; give one of them another table_prefix",
                shadow.target, plan.name
            ),
        )),
        _ => Ok(()),
    }
}

/// The shadow table, if an earlier run left one that can be resumed. `plan` is the result of [`plan`].
///
/// # Errors
/// Those of the session.
pub async fn resumable(
    session: &mut Session,
    plan: &TablePlan,
    target_shape: Option<&TargetShape>,
) -> Result<Option<Target>> {
    let Some(recorded) = receipt::plan(session, &plan.target).await? else {
        return Ok(None);
    };
    if !plan.differences(&recorded.fingerprint).is_empty() || age_hours(session, plan).await? >= AGE_MAX_HOURS
    {
        return Ok(None);
    }
    match catalog::describe(session, &plan.target).await? {
        Some(schema) if stands_in(session, plan, &schema, target_shape).await? => {
            Target::new(plan, &schema).map(Some).or(Ok(None))
        }
        _ => Ok(None),
    }
}

/// Whether the shadow table has the columns and indexes that a copy of the present target has: somebody may have altered
/// the target since the copy was made.
async fn stands_in(
    session: &mut Session,
    plan: &TablePlan,
    beside: &TableSchema,
    target_shape: Option<&TargetShape>,
) -> Result<bool> {
    let Some(target_shape) = target_shape else {
        return Ok(true);
    };
    let columns = columns(plan, Some(target_shape)).iter().all(|wanted| {
        beside.position(wanted.name.as_str()).is_some_and(|position| {
            let found = &beside.columns[position];
            (found.data_type, &found.collation) == (wanted.data_type, &wanted.collation)
        })
    });
    let Shape {
        indexes: found,
        statistics,
        lock_escalation,
        ..
    } = shape(session, beside).await?;
    let wanted = &target_shape.shape;
    let settings = lock_escalation == wanted.lock_escalation && statistics == wanted.statistics;
    let indexes = target_shape
        .shape
        .indexes
        .iter()
        .all(|wanted| found.iter().any(|found| is_copy(found, wanted)));
    Ok(columns && indexes && settings)
}

/// Whether an index is a copy of another. The names of a constraint and its copy differ by their generation.
fn is_copy(copy: &IndexShape, of: &IndexShape) -> bool {
    let constraint = matches!(of.kind, IndexKind::PrimaryKey | IndexKind::UniqueConstraint);
    let renamed = IndexShape {
        name: if constraint {
            of.name.clone()
        } else {
            copy.name.clone()
        },
        ..copy.clone()
    };
    renamed == *of
}

async fn age_hours(session: &mut Session, plan: &TablePlan) -> Result<i64> {
    let name = plan.target.exact();
    let sql =
        "SELECT DATEDIFF(hour, [planned_at], SYSUTCDATETIME()) FROM [sync].[plan] WHERE [table_name] = @P1";
    let rows = session.rows(sql, &[Value::Text(&name)]).await?;
    rows.first().map_or(Ok(i64::MAX), |row| row.integer(0))
}

/// Creates the empty shadow table, in place of a leftover one. Once this returns, the table exists with its
/// plan and without a receipt.
///
/// # Errors
/// `Preflight` when a table of that name is there that no run has made; `Busy` when the lease was lost; those
/// of the session.
pub async fn create(
    session: &mut Session,
    plan: &TablePlan,
    lease: &Lease,
    target_shape: Option<&TargetShape>,
) -> Result<Target> {
    let known = receipt::plan(session, &plan.target).await?.is_some();
    let there = catalog::describe(session, &plan.target).await?.is_some();
    if there && !known {
        return Err(Error::new(
            ErrorKind::Preflight,
            format!(
                "Target table {} is in the way: the table {} is loaded under that name before it is \
                 swapped in, and no run has made it; rename it, or drop it if nobody needs it",
                plan.target, plan.name
            ),
        ));
    }
    failpoint::step("beside: before it is made");
    session.begin().await?;
    lease::fence(session, lease).await?;
    if there {
        session
            .batch(&format!("DROP TABLE {}", plan.target.quoted()))
            .await?;
    }
    receipt::drop_all(session, &lease.table).await?;
    for statement in statements(plan, target_shape)? {
        session.batch(&statement).await?;
    }
    receipt::put_plan(session, &plan.target, plan.access_path, &plan.fingerprint).await?;
    failpoint::step("beside: before COMMIT");
    session.commit().await?;
    failpoint::step("beside: after COMMIT");
    Target::made(session, plan).await
}

/// Drops the shadow table that an earlier load left, and its receipts and plan.
///
/// # Errors
/// `Busy` when the lease was lost; those of the session.
pub async fn drop_leftover(session: &mut Session, plan: &TablePlan, lease: &Lease) -> Result<()> {
    if receipt::plan(session, &plan.target).await?.is_none() {
        return Ok(());
    }
    receipt::drop_with_table(session, lease, &plan.target).await
}

/// Swaps the shadow table in. Once this returns true, the target has its rows and its receipts. Returns
/// false, and leaves the target as it is, if the target no longer has the shape of [`Swap::target_shape`].
///
/// # Errors
/// `Transient` when readers of the old table do not let go of it; `Busy` when a lease was lost;
/// `OutcomeUnknown`; those of the session. The caller drops the session on any error.
pub async fn swap(session: &mut Session, swap: &Swap<'_>) -> Result<bool> {
    let Swap {
        plan,
        shadow,
        target_shape,
        lease,
        shadow_lease,
    } = *swap;
    let (target, beside) = (&plan.target, &shadow.target);
    failpoint::step("swap: before BEGIN");
    session.batch(&format!("SET LOCK_TIMEOUT {SWAP_LOCK_MS}")).await?;
    // Asked before the transaction, because a server that lacks a view of its catalog answers with an error.
    let altered = match strategy(session, plan).await? {
        RefreshStrategy::Swap(now) => {
            now.as_deref().map(TargetShape::looks) != target_shape.map(TargetShape::looks)
        }
        RefreshStrategy::InPlace(..) => true,
    };
    session.begin().await?;
    lease::fence(session, lease).await?;
    lease::fence(session, shadow_lease).await?;
    if receipt::plan(session, beside).await?.is_none() {
        // The answer to an earlier COMMIT was lost, but that cutover succeeded.
        session.rollback().await?;
        lock_timeout(session).await?;
        return Ok(true);
    }
    if altered {
        session.rollback().await?;
        lock_timeout(session).await?;
        return Ok(false);
    }
    failpoint::step("swap: after the fence");
    receipt::pass_on(session, shadow_lease, lease).await?;
    failpoint::step("swap: after the receipts");
    session
        .batch(&format!("DROP TABLE IF EXISTS {}", target.quoted()))
        .await?;
    failpoint::step("swap: after the old table is dropped");
    let sql = "EXEC sp_rename @objname = @P1, @newname = @P2, @objtype = N'OBJECT'";
    let from = beside.quoted();
    session
        .execute(sql, &[Value::Text(&from), Value::Text(target.name.as_str())])
        .await?;
    failpoint::step("swap: before COMMIT");
    session.commit().await?;
    failpoint::step("swap: after COMMIT");
    lock_timeout(session).await?;
    Ok(true)
}

/// The number of the target's rows that the shadow table `new` lacks, and the number of all the target's
/// rows. If the rows have no key that both have, the first is the difference of the two tables' row counts.
///
/// # Errors
/// Those of the session.
pub async fn leaving(
    session: &mut Session,
    plan: &TablePlan,
    target_shape: &TargetShape,
    new: &Target,
) -> Result<(u64, u64)> {
    let of_kinds = |target: &Target| -> Vec<Kind> {
        let unique = plan.key.unique.iter();
        unique
            .map(|position| kind(target.columns[*position].data_type))
            .collect()
    };
    // Keys of two kinds cannot be compared.
    let old = Target::new(plan, &target_shape.schema)
        .ok()
        .filter(|old| plan.has_key() && of_kinds(old) == of_kinds(new));
    let (from, beside) = (plan.target.quoted(), &new.quoted);
    let missing = match &old {
        Some(old) => format!(
            "SELECT COUNT_BIG(*) FROM {from} AS t WHERE NOT EXISTS (SELECT 1 FROM {beside} AS n WHERE {})",
            old.same_key_as(plan, new)
        ),
        None => format!("SELECT COUNT_BIG(*) FROM {beside}"),
    };
    let mut counts = [0, 0];
    for (count, sql) in counts
        .iter_mut()
        .zip([missing, format!("SELECT COUNT_BIG(*) FROM {from}")])
    {
        let rows = session.rows(&sql, &[]).await?;
        *count = rows
            .first()
            .map(|row| row.count(0))
            .transpose()?
            .unwrap_or_default();
    }
    let [found, of] = counts;
    match old {
        Some(_) => Ok((found, of)),
        None => Ok((of.saturating_sub(found), of)),
    }
}

async fn lock_timeout(session: &mut Session) -> Result<()> {
    session
        .batch(&format!("SET LOCK_TIMEOUT {LOCK_TIMEOUT_MS}"))
        .await
}

/// The statements that create the shadow table: the target's own columns, key and indexes if there is a
/// target, else the source's columns, clustered on the key.
fn statements(plan: &TablePlan, target_shape: Option<&TargetShape>) -> Result<Vec<String>> {
    let table = plan.target.quoted();
    let columns = columns(plan, target_shape);
    let mut indexes = target_shape.map_or_else(Vec::new, |target_shape| target_shape.shape.indexes.clone());
    if let Some(wanted) = key_index(plan, &columns, &indexes)? {
        indexes.push(wanted);
    }
    let generation = 1 + indexes
        .iter()
        .filter_map(|index| split_generation(index.name.as_str()).1)
        .max()
        .unwrap_or(0);
    let mut parts: Vec<String> = columns.iter().map(column_sql).collect();
    let mut created = Vec::new();
    for index in &indexes {
        let constraint = match index.kind {
            IndexKind::PrimaryKey => "PRIMARY KEY",
            IndexKind::UniqueConstraint => "UNIQUE",
            IndexKind::Unique | IndexKind::Plain => {
                created.push(create_index(&table, index));
                continue;
            }
        };
        let name = Identifier::new(shortened(
            split_generation(index.name.as_str()).0,
            &format!("{GENERATION}{generation}"),
        ))?;
        parts.push(format!(
            "CONSTRAINT {} {constraint} {} ({}){}",
            name.quoted(),
            order(index),
            keys(index),
            with(index)
        ));
    }
    created.insert(0, format!("CREATE TABLE {table} ({})", parts.join(", ")));
    let shape = target_shape.map(|target_shape| &target_shape.shape);
    for statistics in shape.iter().flat_map(|shape| &shape.statistics) {
        let columns: Vec<String> = statistics.columns.iter().map(Identifier::quoted).collect();
        created.push(format!(
            "CREATE STATISTICS {} ON {table} ({})",
            statistics.name.quoted(),
            columns.join(", ")
        ));
    }
    if let Some(escalation) = shape.and_then(|shape| shape.lock_escalation) {
        created.push(format!(
            "ALTER TABLE {table} SET (LOCK_ESCALATION = {escalation})"
        ));
    }
    Ok(created)
}

/// The plan's columns as the target has them, wide enough for the source's values; those of the key are NOT NULL.
fn columns(plan: &TablePlan, target_shape: Option<&TargetShape>) -> Vec<Column> {
    let columns = plan.columns().iter().enumerate();
    let columns = columns.map(|(position, column)| {
        let found = target_shape.and_then(|target_shape| {
            let position = target_shape.schema.position(column.name.as_str())?;
            Some(target_shape.as_wide_as(column, &target_shape.schema.columns[position]))
        });
        let mut column = found.unwrap_or_else(|| column.clone());
        column.nullable &= !plan.key.unique.contains(&position);
        column
    });
    columns.collect()
}

fn order(index: &IndexShape) -> &'static str {
    if index.clustered {
        "CLUSTERED"
    } else {
        "NONCLUSTERED"
    }
}

fn keys(index: &IndexShape) -> String {
    let columns = index
        .columns
        .iter()
        .map(|(name, descending)| format!("{}{}", name.quoted(), if *descending { " DESC" } else { "" }));
    columns.collect::<Vec<_>>().join(", ")
}

fn with(index: &IndexShape) -> String {
    match index.options.as_slice() {
        [] => String::new(),
        options => format!(" WITH ({})", options.join(", ")),
    }
}

fn create_index(table: &str, index: &IndexShape) -> String {
    let unique = match index.kind {
        IndexKind::Unique => "UNIQUE ",
        _ => "",
    };
    let names: Vec<String> = index.included.iter().map(Identifier::quoted).collect();
    let included = match names.as_slice() {
        [] => String::new(),
        names => format!(" INCLUDE ({})", names.join(", ")),
    };
    format!(
        "CREATE {unique}{} INDEX {} ON {table} ({}){included}{}",
        order(index),
        index.name.quoted(),
        keys(index),
        with(index)
    )
}

/// The index that is added if no index begins with the key that the rows are read back by.
fn key_index(plan: &TablePlan, columns: &[Column], indexes: &[IndexShape]) -> Result<Option<IndexShape>> {
    let key: Vec<Identifier> = plan
        .key
        .unique
        .iter()
        .map(|position| columns[*position].name.clone())
        .collect();
    let begins = |index: &IndexShape| {
        let names: Vec<&Identifier> = index.columns.iter().map(|(name, _)| name).collect();
        names.len() >= key.len()
            && names
                .iter()
                .zip(&key)
                .all(|(has, want)| has.same_as(want.as_str()))
    };
    // An index in another collation than the source's serves no comparison, and may refuse keys.
    let serves = plan.key.unique.iter().all(|position| {
        let source = &plan.columns()[*position].collation;
        source.is_none() || *source == columns[*position].collation
    });
    if key.is_empty() || !serves || indexes.iter().any(begins) {
        return Ok(None);
    }
    let primary = indexes.iter().any(|index| index.kind == IndexKind::PrimaryKey);
    let prefix = if primary { "UQ_" } else { "PK_" };
    let target = plan.target.without_shadow_suffix();
    Ok(Some(IndexShape {
        name: Identifier::new(shortened(&format!("{prefix}{target}"), ""))?,
        kind: if primary {
            IndexKind::UniqueConstraint
        } else {
            IndexKind::PrimaryKey
        },
        clustered: !indexes.iter().any(|index| index.clustered),
        columns: key.into_iter().map(|name| (name, false)).collect(),
        included: Vec::new(),
        options: Vec::new(),
    }))
}

/// A constraint's name without its generation, and the generation.
fn split_generation(name: &str) -> (&str, Option<u32>) {
    match name.rsplit_once(GENERATION) {
        Some((base, number)) => match number.parse() {
            Ok(number) => (base, Some(number)),
            Err(_) => (name, None),
        },
        None => (name, None),
    }
}
