//! Loads several chunks of a table in one transaction, for rows that no order of chunks satisfies: rows that point at
//! each other, or that exchange a value of a unique index.
//!
//! It is the load of one chunk otherwise: each chunk is read back and digested before its receipt is written, and all
//! receipts commit with all rows, or none does.

use crate::base::error::Result;
use crate::base::failpoint;
use crate::model::brake::{Brake, held};
use crate::model::chunk::ChunkState;
use crate::model::plan::TablePlan;
use crate::model::row::Tally;
use crate::model::window::{Extent, Window};
use crate::mssql::Session;
use crate::target::lease;
use crate::target::lease::Lease;
use crate::target::leaving::leaving;
use crate::target::load::{Loaded, Moved, read_back};
use crate::target::merge::{Order, Orders, merge};
use crate::target::receipt;
use crate::target::receipt::Receipt;
use crate::target::table::Target;
use crate::tsql::seek::Seeks;

/// What is loaded in one transaction: chunks of the window of a reference table, all of whose rows are staged.
#[derive(Debug, Clone, Copy)]
pub struct Together<'a> {
    /// The plan, which has a key.
    pub plan: &'a TablePlan,
    /// The target table.
    pub target: &'a Target,
    /// The right to write it.
    pub lease: &'a Lease,
    /// The receipts of the chunks.
    pub claims: &'a [Receipt],
    /// The limit of the rows that may leave the table.
    pub brake: Brake,
}

impl Together<'_> {
    /// Moves the staged rows into the ranges of the chunks, and proves each chunk (G1, G2).
    ///
    /// Once this returns `Committed`, all rows and receipts are durable at the target. The caller drops the session on
    /// any error, which rolls the transaction back.
    ///
    /// # Errors
    /// `Held` when more rows would leave than may; `Statement` when constraints refuse the rows in any order; else as
    /// [`crate::target::load::commit`].
    pub async fn commit(&self, session: &mut Session) -> Result<Loaded> {
        let mut order = Order::DeletesFirst;
        let mut orders = Orders::default();
        loop {
            match self.run(session, order).await {
                Err(error) => order = orders.after(session, self.target, order, error).await?,
                done => return done,
            }
        }
    }

    async fn run(&self, session: &mut Session, order: Order) -> Result<Loaded> {
        let Together {
            plan,
            target,
            lease,
            claims,
            brake,
        } = *self;
        session.begin().await?;
        lease::fence(session, lease).await?;
        if self.is_committed(session).await? {
            session.rollback().await?;
            return Ok(Loaded::AlreadyCommitted);
        }
        let whole = self.whole()?;
        let gone = leaving(session, plan, target, Extent::All.kind(), &whole)
            .await?
            .row_count;
        if !brake.allows(gone, 0) {
            let there = target.count_window(session, plan, Window::All).await?;
            if !brake.allows(gone, there) {
                return Err(held(&plan.name, Window::All, gone, there));
            }
        }
        merge(session, plan, target, &whole, order).await?;
        failpoint::step("together: after the merge");
        for claim in claims {
            let range = target.range(plan, Extent::All, &claim.chunk.range)?;
            let found: Tally = read_back(session, plan, target, &range).await?;
            if found != claim.chunk.tally {
                session.rollback().await?;
                return Ok(Loaded::Differed { found, column: None });
            }
        }
        for claim in claims {
            receipt::write(session, lease, &plan.target, claim, false).await?;
        }
        failpoint::step("together: before COMMIT");
        session.commit().await?;
        failpoint::step("together: after COMMIT");
        Ok(Loaded::Committed(Moved::default()))
    }

    /// Whether an earlier attempt committed this very load, and its answer was lost.
    async fn is_committed(&self, session: &mut Session) -> Result<bool> {
        let receipts = receipt::read(session, &self.plan.target, Window::All).await?;
        Ok(self.claims.iter().all(|claim| {
            receipts.iter().any(|there| {
                there.chunk.ordinal == claim.chunk.ordinal
                    && there.chunk.load_id == claim.chunk.load_id
                    && there.chunk.state == ChunkState::Verified
            })
        }))
    }

    /// All ranges as one condition: each statement must see them all.
    fn whole(&self) -> Result<Seeks<'_>> {
        let mut whole = Seeks {
            pieces: Vec::new(),
            params: Vec::new(),
        };
        for claim in self.claims {
            let params = std::mem::take(&mut whole.params);
            let range = self
                .target
                .range_after(self.plan, Extent::All, &claim.chunk.range, params)?;
            whole.params = range.params;
            whole
                .pieces
                .extend(range.pieces.iter().map(|piece| format!("({piece})")));
        }
        whole.pieces = vec![format!("({})", whole.pieces.join(" OR "))];
        Ok(whole)
    }
}
