//! The route table: method and path to handler. Names may contain slashes, and the first route that fits wins, as in
//! Docker's own router.

macro_rules! table {
    ($($method:ident $before:literal $({} $($after:literal)?)? => $handler:path;)*) => {
        &[$(Route {
            method: Method::$method,
            before: $before,
            after: table!(@after $({} $($after)?)?),
            handler: |call| Box::pin($handler(call)),
        }),*]
    };
    (@after) => { None };
    (@after {}) => { Some("") };
    (@after {} $after:literal) => { Some($after) };
}

mod auth;
mod container;
mod exec;
mod image;
mod later;
mod network;
mod stream;
mod system;
mod volume;

use crate::answer::Answer;
use crate::call::Call;
use crate::error::ApiError;
use http::Method;
use std::pin::Pin;

/// A handler at work.
pub(crate) type Work = Pin<Box<dyn Future<Output = Result<Answer, ApiError>> + Send>>;
/// A handler: decode, one call of the engine, encode.
pub(crate) type Handler = fn(Call) -> Work;

struct Route {
    method: Method,
    /// What stands before the name, or the whole path.
    before: &'static str,
    /// What stands behind the name; `None` for a path without a name.
    after: Option<&'static str>,
    handler: Handler,
}

const ROUTES: &[Route] = table! {
    GET "/_ping" => system::ping;
    HEAD "/_ping" => system::ping_head;
    GET "/version" => system::version;
    GET "/info" => system::info;
    GET "/events" => system::events;
    GET "/system/df" => system::disk_usage;
    POST "/auth" => auth::check;

    GET "/containers/json" => container::list;
    POST "/containers/create" => container::create;
    POST "/containers/prune" => container::prune;
    GET "/containers/" {} "/json" => container::inspect;
    GET "/containers/" {} "/top" => container::top;
    GET "/containers/" {} "/logs" => container::logs;
    POST "/containers/" {} "/start" => container::start;
    POST "/containers/" {} "/stop" => container::stop;
    POST "/containers/" {} "/restart" => container::restart;
    POST "/containers/" {} "/kill" => container::kill;
    POST "/containers/" {} "/pause" => container::pause;
    POST "/containers/" {} "/unpause" => container::unpause;
    POST "/containers/" {} "/wait" => container::wait;
    POST "/containers/" {} "/resize" => container::resize;
    POST "/containers/" {} "/rename" => container::rename;
    POST "/containers/" {} "/attach" => stream::attach;
    POST "/containers/" {} "/exec" => exec::create;
    DELETE "/containers/" {} => container::remove;

    GET "/exec/" {} "/json" => exec::inspect;
    POST "/exec/" {} "/start" => stream::exec_start;
    POST "/exec/" {} "/resize" => exec::resize;


    GET "/images/json" => image::list;
    POST "/images/create" => image::create;
    POST "/images/load" => image::load;
    GET "/images/" {} "/json" => image::inspect;
    GET "/images/" {} "/history" => image::history;
    POST "/images/" {} "/tag" => image::tag;
    DELETE "/images/" {} => image::remove;

    GET "/volumes" => volume::list;
    POST "/volumes/create" => volume::create;
    POST "/volumes/prune" => volume::prune;
    GET "/volumes/" {} => volume::inspect;
    DELETE "/volumes/" {} => volume::remove;

    GET "/networks" => network::list;
    GET "/networks/" => network::list;
    POST "/networks/create" => network::create;
    GET "/networks/" {} => network::inspect;
    DELETE "/networks/" {} => network::remove;

};

/// The handler for a path, and the name in it.
pub(crate) fn find<'a>(method: &Method, path: &'a str) -> Option<(Handler, &'a str)> {
    ROUTES.iter().chain(later::ROUTES).find_map(|route| {
        let name = route.name_in(path)?;
        (route.method == *method).then_some((route.handler, name))
    })
}

impl Route {
    fn name_in<'a>(&self, path: &'a str) -> Option<&'a str> {
        match self.after {
            None => (path == self.before).then_some(""),
            Some(after) => path.strip_prefix(self.before)?.strip_suffix(after),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(method: Method, path: &str) -> Option<&str> {
        find(&method, path).map(|(_, name)| name)
    }

    #[test]
    fn names_may_contain_slashes() {
        assert_eq!(name(Method::GET, "/images/registry:5000/a/b:1/json"), Some("registry:5000/a/b:1"));
        assert_eq!(name(Method::GET, "/images/a/json/json"), Some("a/json"));
        assert_eq!(name(Method::DELETE, "/images/a/b"), Some("a/b"));
        assert_eq!(name(Method::POST, "/images/a/b/tag"), Some("a/b"));
    }

    #[test]
    fn fixed_paths_win_over_names() {
        let list = find(&Method::GET, "/containers/json").unwrap();
        assert_eq!(list.1, "");
        assert_eq!(name(Method::GET, "/containers/json/json"), Some("json"));
    }

    #[test]
    fn other_methods_and_paths_have_no_route() {
        assert_eq!(name(Method::DELETE, "/version"), None);
        assert_eq!(name(Method::GET, "/version/"), None);
        assert_eq!(name(Method::GET, "/containers/x"), None);
        assert_eq!(name(Method::GET, "/"), None);
    }
}
