//! Between tracing, which writes where it is called, and a queue, which waits for nobody.

use std::io::{self, Write};
use std::sync::Arc;

use tracing_subscriber::fmt::MakeWriter;

use super::super::queue::Queue;

/// Queues what is written, a line a call. Whoever logs would otherwise wait for whoever reads
/// standard error: with a reader that slept, a debug filter stopped every worker.
#[derive(Debug, Clone)]
pub(super) struct Lines(Arc<Queue>);

impl Lines {
    pub(super) fn new(queue: Arc<Queue>) -> Self {
        Self(queue)
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        self.0.push(text.strip_suffix('\n').unwrap_or(&text).to_owned());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
