//! A cursor over a complete message whose every read is checked.

use bytes::Buf;

/// Reads from a slice that holds the whole message. It is a [`Buf`], so [`read_type_info`](super::read_type_info) takes it too.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the beginning of `data`.
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Reader { rest: data }
    }

    /// What has not been read.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl Buf for Reader<'_> {
    fn remaining(&self) -> usize {
        self.rest.len()
    }

    fn chunk(&self) -> &[u8] {
        self.rest
    }

    fn advance(&mut self, count: usize) {
        self.rest = &self.rest[count..];
    }
}
