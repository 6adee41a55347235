/* A program that does nothing, with a C library. */
int main(void) {
  return 0;
}
