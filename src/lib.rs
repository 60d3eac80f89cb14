//! facebench measures face recognition: find the faces in a photo, turn each into an embedding, match it.
