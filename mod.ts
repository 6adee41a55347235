/**
 * What other programs may import of runsc: the OCI configuration types, their validator and the
 * error type that every command reports through.
 *
 * @module
 */
export {};
