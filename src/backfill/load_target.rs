//! The target of a load, and the right to write it.

use crate::model::plan::TablePlan;
use crate::pipeline::resume::Scope;
use crate::target::lease::Lease;
use crate::target::table::Target;

/// The table that is loaded: its plan, its target, the right to write it, and the windows in scope.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LoadTarget<'a> {
    pub(crate) plan: &'a TablePlan,
    pub(crate) target: &'a Target,
    pub(crate) lease: &'a Lease,
    pub(crate) scope: Scope<'a>,
}
