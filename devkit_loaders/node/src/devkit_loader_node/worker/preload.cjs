'use strict'
// Required first in a thread that runs a script, which has hooks and a network of its own.

const { devkit, network } = require('worker_threads').workerData
require('./resolving.cjs').install(devkit)
require('./network.cjs').install(devkit.network, network)
