# nothing

/* here
 */
