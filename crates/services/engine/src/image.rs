//! Images: the verbs over the image store.
