/** OneContact as its users run it: the command line's `start`, with the probe beside it. */
import './probe';
import '../../../src/cli/main';
