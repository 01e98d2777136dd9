"""HTTP/1.1 to providers: connections that are kept, replies that are read strictly."""
