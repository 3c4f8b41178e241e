# The site's template: every machine that is built from it is a worker node.
include worker_node
