'use strict'
// Required first in a thread that runs a script, which has hooks of its own.

require('./resolving.cjs').install(require('worker_threads').workerData.devkit)
