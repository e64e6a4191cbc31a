//! Death at every durable step: of a job, and of a reference table's refresh or a repair.

mod job;
mod reference;
