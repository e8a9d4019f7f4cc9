; Everything once, in few steps: for builds that collect at every allocation, or let every allocation fail in turn.

(define (twice f) (lambda (x) (f (f x))))
(define table (make-table))
(table-set! table "pool" 1)
(table-set! table 'arena 2)

(define (self-made)
  (define (me) me)
  me)
(self-made)

(print ((twice (lambda (n) (* n n n))) 12))
(print (map (lambda (n) (+ n 0.5)) '(1 2)) " " (table-ref table "pool" 0) (table-ref table 'arena 0))
(print (guard (e ((string? e) (string-append e "!"))) (raise "caught")))
(print (guard (e (#t (error-message e))) (vector-ref (make-vector 2 0) 2)))
(print (let loop ((i 0) (all '())) (if (< i 3) (loop (+ i 1) (cons i all)) all)))
