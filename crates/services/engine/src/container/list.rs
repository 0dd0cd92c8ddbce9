//! `GET /containers/json`.

use engine_api::container::ContainerSummary;
use engine_api::filters::Filters;

use crate::container::inspect::Size;
use crate::{Engine, Error};

/// Which containers, and how much of each.
#[derive(Debug, Clone)]
pub struct ListOptions {
    /// Also those that do not run.
    pub all: bool,
    /// The newest so many; 0 for no limit.
    pub limit: i64,
    /// Whether to measure layers.
    pub size: Size,
    /// Docker's filters.
    pub filters: Filters,
}

impl Engine {
    /// Lists containers, newest first.
    ///
    /// # Errors
    /// `InvalidParameter` for unknown or malformed filters.
    pub async fn container_list(&self, _options: ListOptions) -> Result<Vec<ContainerSummary>, Error> {
        Err(Error::not_implemented("list"))
    }
}
